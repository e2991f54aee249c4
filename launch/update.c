#include "launch/update.h"

#include "core/base/log.h"
#include "core/base/mem.h"

#include <string.h>

/* A parameter's group is the sum of what is said of it. */
enum { GROUP_NO_DECAY = 1, GROUP_BACKBONE = 2, GROUP_FROZEN = 4 };

static bool starts_with(const char *name, const char *start, size_t length)
{
    return strncmp(name, start, length) == 0;
}

/* The embedding layer and its norm, as the network or the backbone's own definition names them. */
static bool is_head(const fut_net_tensor *tensor)
{
    static const char *const heads[] = {"embedder", "fc.", "features."};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        if (starts_with(tensor->name, heads[i], strlen(heads[i]))) return true;
    return false;
}

/* Has name one of the beginnings of the list "a, b,c"? hits[] counts, by their place in it, for those it has. */
static bool is_listed(const char *list, const char *name, int64_t *hits)
{
    bool listed = false;
    int place = 0;
    while (*list != '\0') {
        list += strspn(list, ", ");
        size_t length = strcspn(list, ", ");
        if (length > 0 && starts_with(name, list, length)) {
            listed = true;
            hits[place]++;
        }
        place += length > 0;
        list += length;
    }
    return listed;
}

static fut_status check_list(const char *list, const int64_t *hits, const char *example)
{
    for (int place = 0; *list != '\0';) {
        list += strspn(list, ", ");
        size_t length = strcspn(list, ", ");
        FUT_CHECK(length == 0 || hits[place] > 0, FUT_ERR_CONFIG,
                  "update.frozen: no parameter's name begins with '%.*s' (the first is %s); futago inspect --model NAME lists the layers",
                  (int)length, list, example);
        place += length > 0;
        list += length;
    }
    return FUT_OK;
}

static int group_of(const fut_config_update *update, const fut_net_tensor *tensor, int64_t *hits)
{
    int group = tensor->frozen || is_listed(update->frozen, tensor->name, hits) ? GROUP_FROZEN : 0;
    if (tensor->no_decay || (tensor->rank <= 1 && update->weight_decay == FUT_DECAY_WEIGHTS)) group += GROUP_NO_DECAY;
    if (!is_head(tensor) && !tensor->of_loss) group += GROUP_BACKBONE;
    return group;
}

static void fill_factors(const fut_config_update *update, fut_optim_plan *plan)
{
    for (int group = 0; group < FUT_PARAM_GROUPS; group++) {
        bool frozen = (group & GROUP_FROZEN) != 0;
        plan->lr[group] = frozen ? 0 : (group & GROUP_BACKBONE) != 0 ? update->backbone_lr : 1;
        plan->weight_decay[group] = frozen || (group & GROUP_NO_DECAY) != 0 ? 0 : 1;
    }
}

fut_status fut_update_arrange(const fut_config *config, const fut_net *net, fut_optim *optim)
{
    fut_status st = FUT_OK;
    const fut_config_update *update = &config->update;
    fut_optim_plan plan = {.ema = update->ema, .evaluate_ema = update->evaluate == FUT_EVALUATED_EMA};
    fut_optim_tensor *tensors = NULL;
    int64_t *hits = NULL;
    int64_t count = fut_net_tensor_count(net) + fut_net_loss_tensor_count(net);
    int64_t trained = 0;
    const char *first = NULL;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(count, &tensors), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY((int64_t)strlen(update->frozen) + 1, &hits), out);
    fill_factors(update, &plan);
    for (int64_t i = 0; i < count; i++) {
        const fut_net_tensor *tensor = fut_net_tensor_at(net, i);
        if (!tensor->trainable) continue;
        int group = group_of(update, tensor, hits);
        if (plan.lr[group] > 0) trained += tensor->count;
        if (first == NULL) first = tensor->name;
        tensors[plan.tensors++] = (fut_optim_tensor){
            .offset = tensor->offset, .count = tensor->count, .rows = tensor->dim[0], .dims = tensor->rank, .group = group};
    }
    FUT_TRY_GOTO(check_list(update->frozen, hits, first), out);
    FUT_CHECK_GOTO(trained > 0, FUT_ERR_CONFIG, out, "update.frozen and update.backbone_lr leave nothing to train");
    if (trained < optim->count) FUT_INFO("update: %lld of %lld parameters are trained", (long long)trained, (long long)optim->count);
    plan.tensor = tensors;
    FUT_TRY_GOTO(fut_optim_arrange(optim, &plan), out);
out:
    fut_mem_free(tensors);
    fut_mem_free(hits);
    return st;
}
