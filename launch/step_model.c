#include "launch/step_model.h"

#include "core/base/mem.h"
#include "core/loss/loss.h"
#include "core/miner/miner.h"
#include "core/nn/describe.h"
#include "core/optim/optim.h"
#include "dist/reduce.h"
#include "launch/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ORDER_BYTES = 32, SUMS = FUT_LOSS_SUMS + 1 };

/* Kernels of a step that was recorded follow each other in about this time. */
static const double launch_seconds = 1.5e-6;
/* For train.bucket: auto, which measures a few sizes around it: large enough for a link's full speed, small enough that the first is ready
 * early. */
static const int64_t auto_bucket = 4 << 20;
/* The loss computes in f32: an H100's at most. */
static const double f32_flops = 67e12;

static double larger(double a, double b)
{
    return a > b ? a : b;
}

/* ---- what does not depend on the ranks ----------------------------------------------------------------------------------------- */

static void add_layers(fut_step_model *m, const fut_net *net, double *by_memory)
{
    bool joins = fut_net_get_spec(net)->batch_norm == FUT_BATCH_NORM_GLOBAL;
    int64_t before = 0;
    for (int i = 0; i < m->layers; i++) {
        fut_net_layer layer;
        fut_net_traffic t;
        fut_net_layer_get(net, i, &layer);
        fut_net_layer_traffic(net, i, m->photos, &t);
        double forward = fut_bench_least_seconds(&m->device, t.forward, t.forward_flops);
        double backward = fut_bench_least_seconds(&m->device, t.backward, t.backward_flops);
        m->layer[i] = (fut_step_layer){.forward = forward, .backward = backward, .before = before};
        if (joins) memcpy(m->layer[i].sums, layer.sums, sizeof layer.sums);
        m->forward += forward;
        m->backward += backward;
        *by_memory +=
            (t.forward / m->device.bandwidth >= forward ? forward : 0) + (t.backward / m->device.bandwidth >= backward ? backward : 0);
        before += layer.params;
    }
}

void fut_step_model_slow_down(fut_step_model *m, double factor)
{
    m->slower *= factor;
    for (int i = 0; i < m->layers; i++) {
        m->layer[i].forward *= factor;
        m->layer[i].backward *= factor;
    }
    m->forward *= factor;
    m->backward *= factor;
    m->update *= factor;
}

static fut_status is_symmetric(const fut_config *config, bool *symmetric_out)
{
    fut_row_miner miner;
    const fut_loss_type *loss = config->loss.choice->payload;
    FUT_TRY(fut_miner_describe(&config->miner, &miner));
    *symmetric_out = !fut_loss_type_spreads(loss, &miner, config->memory.size);
    return FUT_OK;
}

fut_status fut_step_model_init(const fut_config *config, const fut_net *net, int64_t people, const fut_step_shard *shard,
                               const fut_bench_device *device, double compute, fut_step_model *model_out)
{
    double by_memory = 0;
    const fut_optim_type *optim = config->optimizer.choice->payload;
    fut_params of_loss = fut_loss_params(&config->loss, people, config->model.embedding);
    int64_t loss_params = fut_params_count(&of_loss);
    fut_step_model m = {.layers = fut_net_layer_count(net),
                        .photos = shard->photos,
                        .activations = shard->activations,
                        .dim = config->model.embedding,
                        .references = fut_loss_is_of_classes(&config->loss) ? people : config->memory.size,
                        .memory = config->memory.size,
                        .leaf = fut_net_leaf_count(net) + loss_params,
                        .params = fut_net_param_count(net) + loss_params,
                        .stats = fut_net_stat_count(net),
                        .slots = optim->slots + (config->update.ema > 0),
                        .overlaps = config->train.overlap,
                        .bucket = fut_config_bucket(config) > 0 ? fut_config_bucket(config) << 10 : auto_bucket,
                        .slower = 1,
                        .launch = launch_seconds,
                        .save_every = config->train.save_every,
                        .device = *device};
    FUT_TRY(is_symmetric(config, &m.symmetric));
    FUT_TRY(FUT_NEW_ARRAY(m.layers, &m.layer));
    add_layers(&m, net, &by_memory);
    m.update = fut_bench_update_bytes(m.params) / device->bandwidth;
    double least = m.forward + m.backward + m.update;
    m.memory_bound = (by_memory + m.update) / least;
    if (compute > 0) fut_step_model_slow_down(&m, compute / least);
    *model_out = m;
    return FUT_OK;
}

void fut_step_model_fini(fut_step_model *model)
{
    fut_mem_free(model->layer);
    *model = (fut_step_model){0};
}

fut_step_knobs fut_step_knobs_default(const fut_step_model *model)
{
    return (fut_step_knobs){.bucket = model->bucket, .gradient_bytes = 4, .embedding_bytes = 4};
}

/* ---- parts of a step ----------------------------------------------------------------------------------------------------------- */

typedef struct situation {
    const fut_step_model *model;
    const fut_network_file *file;
    fut_network network;
    const fut_step_knobs *knobs;
    int ranks;
} situation;

/* Ranks whose embeddings meet. */
static int gathered(const situation *s)
{
    int node = (int)s->network.ranks_a_node;
    return s->knobs->node_negatives && node < s->ranks ? node : s->ranks;
}

static fut_cost gather_cost(const situation *s)
{
    return fut_cost_gather_seconds(&s->network, gathered(s), (double)(s->model->photos * s->model->dim * s->knobs->embedding_bytes));
}

/* What every photo is compared with. */
static double references(const situation *s)
{
    return s->model->references > 0 ? (double)s->model->references : (double)s->model->photos * gathered(s);
}

/* The pair matrix of a shard, n rows of B, of the memory or of the classes: similarities, kinds and gradients pass over memory, two
 * products over the embeddings, and one more to spread or for the gradient of the classes' weights. */
static double loss_seconds(const situation *s)
{
    const fut_step_model *m = s->model;
    double n = (double)m->photos;
    double refs = references(s);
    double products = m->symmetric && (m->references == 0 || m->memory > 0) ? 2 : 3;
    double flops = m->device.flops < f32_flops ? m->device.flops : f32_flops;
    double bytes = n * refs * 4 * 6 + refs * (double)m->dim * 4 * (products + 2);
    return larger(products * 2 * n * refs * (double)m->dim / flops, bytes / m->device.bandwidth);
}

static fut_cost sum_bytes(const situation *s, double bytes)
{
    return fut_cost_bucket(&s->network, s->ranks, bytes, s->model->device.bandwidth, s->model->launch);
}

/* Seconds from the start of the backward until a leaf is complete from element `first`. */
static double ready_at(const fut_step_model *m, int64_t first)
{
    double at = 0;
    for (int i = m->layers - 1; i >= 0; i--) {
        at += m->layer[i].backward;
        if (m->layer[i].before <= first) return at;
    }
    return at;
}

/* The sum of the gradients, bucket by bucket from the leaf's end, each when it is ready and the one before it is done. */
static fut_cost sum_gradients(const situation *s, fut_step_plan *p)
{
    const fut_step_model *m = s->model;
    int64_t bucket = fut_tree_bucket(s->ranks, m->leaf, FUT_F32, (size_t)s->knobs->bucket);
    int64_t buckets = (m->leaf + bucket - 1) / bucket;
    double end = 0;
    fut_cost cost = {0};
    if (s->ranks == 1) return cost;
    for (int64_t b = buckets - 1; b >= 0; b--) {
        int64_t length = b == buckets - 1 ? m->leaf - b * bucket : bucket;
        cost = sum_bytes(s, (double)length * s->knobs->gradient_bytes);
        end = larger(end, ready_at(m, b * bucket)) + cost.seconds;
        p->sum += cost.seconds;
    }
    double hidden = p->sum - (end - m->backward);
    p->exposed = p->sum - hidden * (m->overlaps ? s->file->overlap : 0);
    return cost;
}

static fut_cost spread_cost(const situation *s)
{
    double batch = (double)s->model->photos * gathered(s);
    fut_cost none = {0};
    if (s->model->symmetric || s->ranks == 1) return none;
    situation together = *s;
    together.ranks = gathered(s);
    return sum_bytes(&together, batch * (double)s->model->dim * 4);
}

/* Every batch norm's sums over the ranks, one after the other: the next layer waits for them. */
static fut_cost norm_cost(const situation *s)
{
    fut_cost sum = {0};
    for (int i = 0; i < s->model->layers && s->ranks > 1; i++)
        for (int way = 0; way < 2; way++) {
            int64_t values = s->model->layer[i].sums[way];
            if (values == 0) continue;
            fut_cost one = sum_bytes(s, (double)values * sizeof(double));
            sum.seconds += one.seconds;
            sum.bound = one.bound;
        }
    return sum;
}

static void add_traffic(fut_step_plan *p, fut_traffic t)
{
    p->messages += t.messages;
    p->bytes += t.bytes;
}

static void count_traffic(const situation *s, fut_step_plan *p)
{
    const fut_step_model *m = s->model;
    fut_cost_place at = {.rank = 0, .ranks = s->ranks, .shards = s->ranks};
    int64_t batch = m->photos * s->ranks;
    add_traffic(p, fut_cost_order(s->ranks, ORDER_BYTES));
    add_traffic(p, fut_cost_gather(&at, batch, m->dim, FUT_F32));
    add_traffic(p, fut_cost_gather(&at, s->ranks, SUMS, FUT_F64));
    add_traffic(p, fut_cost_tree(&at, m->leaf, FUT_F32, s->knobs->bucket));
    if (!m->symmetric) add_traffic(p, fut_cost_tree(&at, batch * m->dim, FUT_F32, 0));
    for (int i = 0; i < m->layers; i++)
        for (int way = 0; way < 2; way++)
            add_traffic(p, fut_cost_tree(&at, m->layer[i].sums[way], FUT_F64, 0));
}

/* As the engine, the tree and the loss allocate. */
static void add_memory(const situation *s, fut_step_plan *p)
{
    const fut_step_model *m = s->model;
    double n = (double)m->photos;
    double batch = n * gathered(s);
    double leaf = (double)m->leaf * 4;
    double received = s->ranks == 1 ? 0 : fut_tree_pairings(s->ranks, s->ranks) > 0 ? 0.5 : 1; /* of what is summed at once */
    double bucket = (double)fut_tree_bucket(s->ranks, m->leaf, FUT_F32, (size_t)s->knobs->bucket) * 4;
    p->parameters = leaf;
    p->optimizer = (double)m->params * 4 * m->slots;
    p->gradients = leaf + received * bucket;
    p->activations = m->activations;
    p->pairs =
        n * references(s) * 9 + batch * (double)m->dim * 4 * (3 + (m->symmetric ? 0 : 2 + received)) + (double)(m->memory * m->dim) * 4 * 2;
    p->memory = p->parameters + p->optimizer + p->gradients + p->activations + p->pairs;
}

static void add_checkpoint(const situation *s, fut_step_plan *p)
{
    const fut_step_model *m = s->model;
    p->checkpoint = ((double)m->params * (1 + m->slots) + (double)m->stats) * 4 / s->file->storage;
    if (m->save_every > 0) p->checkpoint_share = p->checkpoint / (p->checkpoint + m->save_every);
}

static void name_bottleneck(const fut_step_model *m, fut_cost gather, fut_cost norm, fut_cost spread, fut_cost sum, fut_step_plan *p)
{
    struct {
        const char *what, *of;
        double seconds;
    } part[] = {
        {"computation", m->memory_bound > 0.5 ? "memory of the device" : "arithmetic of the device", p->forward + p->backward + p->update},
        {"gather of embeddings", fut_cost_bound_names[gather.bound], p->gather},
        {"batch norm over the global batch", fut_cost_bound_names[norm.bound], p->norm},
        {"loss over all pairs", "products of embeddings", p->loss},
        {"gradients of embeddings", fut_cost_bound_names[spread.bound], p->spread},
        {"sum of gradients", fut_cost_bound_names[sum.bound], p->exposed},
    };
    size_t most = 0;
    for (size_t i = 1; i < sizeof part / sizeof *part; i++)
        if (part[i].seconds > part[most].seconds) most = i;
    (void)snprintf(p->bottleneck, sizeof p->bottleneck, "%s (%s)", part[most].what, part[most].of);
}

void fut_step_model_predict(const fut_step_model *model, const fut_network_file *network, int ranks, const fut_step_knobs *knobs,
                            fut_step_plan *plan_out)
{
    situation s = {.model = model, .file = network, .network = fut_network_file_get(network), .knobs = knobs, .ranks = ranks};
    fut_step_plan p = {.ranks = ranks, .forward = model->forward, .backward = model->backward, .update = model->update};
    fut_cost gather = gather_cost(&s);
    fut_cost norm = norm_cost(&s);
    fut_cost spread = spread_cost(&s);
    fut_cost sum = sum_gradients(&s, &p);
    p.order = fut_cost_broadcast(&s.network, ranks, ORDER_BYTES);
    p.norm = norm.seconds;
    p.gather = gather.seconds;
    p.sums = fut_cost_gather_seconds(&s.network, ranks, SUMS * sizeof(double)).seconds;
    p.loss = loss_seconds(&s);
    p.spread = spread.seconds;
    p.communication = p.order + p.norm + p.gather + p.sums + p.spread + p.exposed;
    p.step = p.communication + p.forward + p.loss + p.backward + p.update;
    count_traffic(&s, &p);
    add_memory(&s, &p);
    add_checkpoint(&s, &p);
    name_bottleneck(model, gather, norm, spread, sum, &p);
    *plan_out = p;
}

/* ---- advice -------------------------------------------------------------------------------------------------------------------- */

static double step_with(const fut_step_model *model, const fut_network_file *network, int ranks, const fut_step_knobs *knobs)
{
    fut_step_plan p;
    fut_step_model_predict(model, network, ranks, knobs, &p);
    return p.step;
}

static int64_t best_bucket(const fut_step_model *model, const fut_network_file *network, int ranks, double *step_out)
{
    fut_step_knobs knobs = fut_step_knobs_default(model);
    int64_t best = knobs.bucket;
    *step_out = step_with(model, network, ranks, &knobs);
    for (int64_t mib = 1; mib <= 256; mib *= 2) {
        knobs.bucket = mib << 20;
        double step = step_with(model, network, ranks, &knobs);
        if (step >= *step_out) continue;
        *step_out = step;
        best = knobs.bucket;
    }
    return best;
}

static int most_first(const void *a, const void *b)
{
    const fut_step_advice *left = a;
    const fut_step_advice *right = b;
    return (left->seconds < right->seconds) - (left->seconds > right->seconds);
}

void fut_step_model_advise(const fut_step_model *model, const fut_step_model *twice, const fut_network_file *network, int ranks,
                           fut_step_advice advice_out[FUT_STEP_ADVICES])
{
    fut_step_knobs now = fut_step_knobs_default(model);
    fut_step_knobs gradients = now;
    fut_step_knobs embeddings = now;
    fut_step_knobs groups = now;
    double step = step_with(model, network, ranks, &now);
    double bucketed = step;
    int64_t bucket = model->overlaps ? best_bucket(model, network, ranks, &bucketed) : now.bucket;
    char instead[24] = "one for all";
    gradients.gradient_bytes = 2;
    embeddings.embedding_bytes = 2;
    groups.node_negatives = true;
    fut_step_advice all[FUT_STEP_ADVICES] = {
        {.what = "twice the photos a rank (train.batch)", .seconds = step - step_with(twice, network, ranks, &now) / 2, .in_futago = true},
        {.what = "gradients summed in bf16", .seconds = step - step_with(model, network, ranks, &gradients)},
        {.what = "embeddings gathered in bf16", .seconds = step - step_with(model, network, ranks, &embeddings)},
        {.what = "negatives of the rank's own node only", .seconds = step - step_with(model, network, ranks, &groups)},
        {.what = "buckets of another size (train.bucket)", .seconds = step - bucketed, .in_futago = true},
    };
    if (now.bucket > 0) (void)snprintf(instead, sizeof instead, "%lld KiB", (long long)(now.bucket >> 10));
    if (bucket != now.bucket)
        (void)snprintf(all[4].what, sizeof all[4].what, "buckets of %lld KiB instead of %s (train.bucket)", (long long)(bucket >> 10),
                       instead);
    qsort(all, FUT_STEP_ADVICES, sizeof *all, most_first);
    memcpy(advice_out, all, sizeof all);
}
