#include "launch/plan_print.h"

#include "core/base/str.h"
#include "dist/reduce.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const double mib = 1024.0 * 1024.0;

static fut_step_plan plan_of(const fut_plan_question *q, int network, int ranks)
{
    fut_step_plan plan;
    fut_step_knobs knobs = fut_step_knobs_default(&q->model);
    fut_step_model_predict(&q->model, &q->network[network], ranks, &knobs, &plan);
    return plan;
}

/* Photos a second and rank beside one rank's alone. */
static double efficiency(const fut_plan_question *q, int network, const fut_step_plan *plan)
{
    return plan_of(q, network, 1).step / plan->step;
}

static double photos_a_second(const fut_plan_question *q, const fut_step_plan *plan)
{
    return (double)q->model.photos * plan->ranks / plan->step;
}

static void print_advice(const fut_plan_question *q, int network, const fut_step_plan *plan)
{
    fut_step_advice advice[FUT_STEP_ADVICES];
    fut_step_model_advise(&q->model, &q->twice, &q->network[network], plan->ranks, advice);
    (void)printf("  what would help at %d rank%s:\n", plan->ranks, plan->ranks == 1 ? "" : "s");
    bool any = false;
    for (int i = 0; i < FUT_STEP_ADVICES; i++) {
        if (advice[i].seconds < 0.005 * plan->step) continue;
        any = true;
        (void)printf("    %8.2f ms, %4.1f%%   %s%s\n", advice[i].seconds * 1e3, 100 * advice[i].seconds / plan->step, advice[i].what,
                     advice[i].in_futago ? "" : "  [futago cannot do this yet]");
    }
    if (!any) (void)printf("    nothing here saves half a percent: the device itself is the limit\n");
}

static void print_line(const char *what, double seconds, const fut_step_plan *plan, const char *note)
{
    (void)printf("  %-24s %10.3f ms %6.1f%%  %s\n", what, seconds * 1e3, 100 * seconds / plan->step, note);
}

static void print_detail(const fut_plan_question *q, int network)
{
    fut_step_plan p = plan_of(q, network, q->ranks);
    char hidden[96];
    char traffic[96];
    (void)snprintf(hidden, sizeof hidden, "of %.3f ms, the rest beside the backward", p.sum * 1e3);
    (void)snprintf(traffic, sizeof traffic, "%" PRId64 " messages, %.1f MB sent a rank", p.messages, (double)p.bytes / 1e6);
    (void)printf("\n%s, %d rank%s, global batch %lld\n", q->network[network].name, p.ranks, p.ranks == 1 ? "" : "s",
                 (long long)(q->model.photos * p.ranks));
    print_line("order", p.order, &p, "");
    print_line("forward", p.forward, &p, "");
    if (p.norm > 0) print_line("sums of batch norm", p.norm, &p, "over the global batch, forward and backward");
    print_line("gather of embeddings", p.gather, &p, "");
    print_line("loss over all pairs", p.loss, &p, "");
    print_line("sums of the loss", p.sums, &p, "");
    if (!q->model.symmetric) print_line("gradients of embeddings", p.spread, &p, "the loss is not symmetric");
    print_line("backward", p.backward, &p, "");
    print_line("sum, exposed", p.exposed, &p, hidden);
    print_line("update", p.update, &p, "");
    print_line("step", p.step, &p, "");
    print_line("exposed communication", p.communication, &p, traffic);
    (void)printf("  photos a second          %10.0f      %6.1f%%  of %d times one rank's\n", photos_a_second(q, &p),
                 100 * efficiency(q, network, &p), p.ranks);
    (void)printf("  memory a rank            %10.1f MiB  activations %.1f, parameters %.1f, optimizer %.1f, gradients %.1f, pairs %.1f\n",
                 p.memory / mib, p.activations / mib, p.parameters / mib, p.optimizer / mib, p.gradients / mib, p.pairs / mib);
    (void)printf("  checkpoint stall         %10.3f s", p.checkpoint);
    if (q->model.save_every > 0) (void)printf("           %.2f%% of the time, every %.0f s", 100 * p.checkpoint_share, q->model.save_every);
    (void)printf("\n  bottleneck               %s\n", p.bottleneck);
    print_advice(q, network, &p);
}

static void print_table(const fut_plan_question *q, int network)
{
    fut_step_plan p = {0};
    (void)printf("\n%s\n  %5s %9s %9s %6s %9s %9s %9s %9s %9s  %s\n", q->network[network].name, "ranks", "step ms", "photos/s", "effic.",
                 "exposed", "of it sum", "gather", "loss", "MiB/rank", "bottleneck");
    for (int ranks = 1; ranks <= FUT_SHARDS_MAX; ranks *= 2) {
        p = plan_of(q, network, ranks);
        (void)printf("  %5d %9.2f %9.0f %5.0f%% %9.2f %9.2f %9.2f %9.2f %9.0f  %s\n", ranks, p.step * 1e3, photos_a_second(q, &p),
                     100 * efficiency(q, network, &p), p.communication * 1e3, p.exposed * 1e3, p.gather * 1e3, p.loss * 1e3, p.memory / mib,
                     p.bottleneck);
    }
    print_advice(q, network, &p);
}

static void print_side_by_side(const fut_plan_question *q)
{
    (void)printf("\n  step ms, exposed communication ms, efficiency\n  %5s", "ranks");
    for (int i = 0; i < q->networks; i++)
        (void)printf("  %28.28s", q->network[i].name);
    for (int ranks = 1; ranks <= FUT_SHARDS_MAX; ranks *= 2) {
        (void)printf("\n  %5d", ranks);
        for (int i = 0; i < q->networks; i++) {
            fut_step_plan p = plan_of(q, i, ranks);
            (void)printf("  %11.2f %10.2f %4.0f%%", p.step * 1e3, p.communication * 1e3, 100 * efficiency(q, i, &p));
        }
    }
    (void)printf("\n");
}

void fut_plan_print_text(const fut_plan_question *q)
{
    const fut_step_model *m = &q->model;
    (void)printf("%s, %lld px, one shard of %lld photos a rank; gradients and statistics %.1f MB, embeddings of %lld\n"
                 "computation %.3f ms, %s\n",
                 q->config->model.backbone, (long long)q->config->data.size, (long long)m->photos, (double)m->leaf * 4 / 1e6,
                 (long long)m->dim, (m->forward + m->backward + m->update) * 1e3, q->compute);
    for (int i = 0; i < q->networks; i++)
        if (q->ranks > 0)
            print_detail(q, i);
        else
            print_table(q, i);
    if (q->ranks == 0 && q->networks > 1) print_side_by_side(q);
}

/* ---- JSON ---------------------------------------------------------------------------------------------------------------------- */

static fut_status append_plan(fut_str *out, const fut_plan_question *q, int network, int ranks)
{
    fut_step_plan p = plan_of(q, network, ranks);
    fut_step_advice advice[FUT_STEP_ADVICES];
    fut_step_model_advise(&q->model, &q->twice, &q->network[network], ranks, advice);
    FUT_TRY(fut_str_printf(
        out,
        "{\"ranks\":%d,\"step_ms\":%.6g,\"img_per_s\":%.6g,\"efficiency\":%.4g,\"exposed_communication_ms\":%.6g,"
        "\"order_ms\":%.6g,\"forward_ms\":%.6g,\"batch_norm_ms\":%.6g,\"gather_ms\":%.6g,\"loss_ms\":%.6g,\"loss_sums_ms\":%.6g,"
        "\"spread_ms\":%.6g,\"backward_ms\":%.6g,\"sum_ms\":%.6g,\"exposed_sum_ms\":%.6g,\"update_ms\":%.6g,",
        ranks, p.step * 1e3, photos_a_second(q, &p), efficiency(q, network, &p), p.communication * 1e3, p.order * 1e3, p.forward * 1e3,
        p.norm * 1e3, p.gather * 1e3, p.loss * 1e3, p.sums * 1e3, p.spread * 1e3, p.backward * 1e3, p.sum * 1e3, p.exposed * 1e3,
        p.update * 1e3));
    FUT_TRY(fut_str_printf(out,
                           "\"messages\":%" PRId64 ",\"bytes\":%" PRId64 ",\"memory_bytes\":%.0f,\"activations_bytes\":%.0f,"
                           "\"parameters_bytes\":%.0f,\"optimizer_bytes\":%.0f,\"gradients_bytes\":%.0f,\"pairs_bytes\":%.0f,"
                           "\"checkpoint_s\":%.6g,\"checkpoint_share\":%.4g,\"bottleneck\":\"%s\",\"would_help\":[",
                           p.messages, p.bytes, p.memory, p.activations, p.parameters, p.optimizer, p.gradients, p.pairs, p.checkpoint,
                           p.checkpoint_share, p.bottleneck));
    for (int i = 0; i < FUT_STEP_ADVICES; i++)
        FUT_TRY(fut_str_printf(out, "%s{\"what\":\"%s\",\"saves_ms\":%.6g,\"in_futago\":%s}", i > 0 ? "," : "", advice[i].what,
                               advice[i].seconds * 1e3, advice[i].in_futago ? "true" : "false"));
    return fut_str_printf(out, "]}");
}

static fut_status append_network(fut_str *out, const fut_plan_question *q, int network)
{
    const char *name = q->network[network].name;
    FUT_TRY(fut_str_printf(out, "%s{\"name\":", network > 0 ? "," : ""));
    FUT_TRY(fut_str_append_json(out, name, strlen(name)));
    FUT_TRY(fut_str_printf(out, ",\"plans\":["));
    for (int ranks = q->ranks > 0 ? q->ranks : 1; ranks <= FUT_SHARDS_MAX; ranks *= 2) {
        FUT_TRY(append_plan(out, q, network, ranks));
        if (q->ranks > 0 || ranks == FUT_SHARDS_MAX) break;
        FUT_TRY(fut_str_printf(out, ","));
    }
    return fut_str_printf(out, "]}");
}

fut_status fut_plan_print_json(const fut_plan_question *q)
{
    fut_status st = FUT_OK;
    fut_str out_text = {0};
    FUT_TRY_GOTO(fut_str_printf(&out_text,
                                "{\"backbone\":\"%s\",\"size\":%lld,\"photos\":%lld,\"leaf\":%lld,\"embedding\":%lld,\"networks\":[",
                                q->config->model.backbone, (long long)q->config->data.size, (long long)q->model.photos,
                                (long long)q->model.leaf, (long long)q->model.dim),
                 out);
    for (int i = 0; i < q->networks; i++)
        FUT_TRY_GOTO(append_network(&out_text, q, i), out);
    (void)printf("%s]}\n", fut_str_text(&out_text));
out:
    fut_str_fini(&out_text);
    return st;
}
