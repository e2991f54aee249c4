/* One among many in the report: lines for a terminal, a section of the page. */
#include "launch/report_impl.h"

#include <stdio.h>

static const int RANKS[] = {1, 5, 10};
enum { RANK_COUNT = sizeof RANKS / sizeof *RANKS };

/* ---- text ---------------------------------------------------------------------------------------------------------------------- */

static fut_status text_ranks(const char *name, int column, const fut_closed_set *c, fut_str *out)
{
    FUT_TRY(fut_str_printf(out, "%-*s", column, name));
    for (int i = 0; i < RANK_COUNT; i++)
        FUT_TRY(fut_str_printf(out, " %.2f %%%s", 100 * c->cmc[RANKS[i] - 1], i + 1 < RANK_COUNT ? "," : ""));
    return FUT_OK;
}

static fut_status text_open_set(const fut_open_set *o, fut_str *out)
{
    if (!o->is_defined) return fut_str_printf(out, "\nFNIR at FPIR is not defined: too few people to leave some out\n");
    FUT_TRY(fut_str_printf(out, "\n%-8s %10s %12s  %lld photos of %lld people enrolled with %lld, %lld of strangers\n", "FPIR", "FNIR",
                           "similarity", (long long)o->n_mated, (long long)o->n_people, (long long)o->n_gallery, (long long)o->n_nonmated));
    for (int i = 0; i < FUT_OPEN_SET_FPIRS; i++) {
        const fut_fnir_at_fpir *at = &o->at[i];
        if (!at->is_resolved) return fut_str_printf(out, "%-8g too few photos of strangers to tell\n", at->target);
        FUT_TRY(fut_str_printf(out, "%-8g %8.2f %% %12.4f\n", at->target, 100 * at->fnir, at->threshold));
    }
    return FUT_OK;
}

fut_status fut_identification_text(const fut_identification *id, int column, fut_str *out)
{
    const fut_retrieval *r = &id->retrieval;
    const fut_closed_set *all = &id->leave_one_out;
    const fut_closed_set *one = &id->one_enrolled;
    FUT_TRY(fut_str_printf(out, "\none among many\n"));
    if (r->n_queries == 0) return fut_str_printf(out, "%-*s not defined: nobody has a photo to be found by\n", column, "rank 1, 5, 10");
    FUT_TRY(text_ranks("rank 1, 5, 10", column, all, out));
    FUT_TRY(fut_str_printf(out, "  %lld photos, each against %s, %lld people\n", (long long)all->n_probes,
                           id->has_reference ? "the training photos" : "all others", (long long)all->n_people));
    if (one->n_probes > 0) {
        FUT_TRY(text_ranks("  one enrolled", column, one, out));
        FUT_TRY(fut_str_printf(out, "  %lld photos, each against one photo of everybody\n", (long long)one->n_probes));
    }
    FUT_TRY(fut_str_printf(out, "%-*s %.5f; @5 %.5f; @10 %.5f\n", column, "precision@1", r->precision_at_1, r->precision_at_5,
                           r->precision_at_10));
    FUT_TRY(fut_str_printf(out, "%-*s %.5f; mAP %.5f; R-precision %.5f\n", column, "MAP@R", r->map_at_r, r->map, r->r_precision));
    return text_open_set(&id->open_set, out);
}

/* ---- page ---------------------------------------------------------------------------------------------------------------------- */

static const char definitions[] =
    "<p>A photo ranks the people by their most similar photo; of equals the first stands higher. The rank is the place of the photo\u2019s "
    "own "
    "person. MAP@R is the mean of the precisions at the person\u2019s R photos among the first R of the ranking, as in "
    "pytorch-metric-learning. For strangers, every second person is enrolled. FPIR is the share of photos of people who are not enrolled "
    "that are taken for somebody, FNIR that of enrolled people\u2019s photos whose most similar enrolled photo is not theirs or below the "
    "threshold.</p>\n";

static void put_keys(fut_page *page, const fut_identification *id)
{
    char value[64];
    char below[96];
    const fut_retrieval *r = &id->retrieval;
    const fut_open_set *o = &id->open_set;
    fut_page_raw(page, "<section class=\"keys\" aria-label=\"One among many\">\n");
    fut_page_key(page, "key first", "Rank 1", fut_text_of_percent(id->leave_one_out.cmc[0]).text,
                 id->has_reference ? "against the training photos" : "against all other photos");
    if (id->one_enrolled.n_probes > 0)
        fut_page_key(page, "key", "Rank 1, one photo enrolled", fut_text_of_percent(id->one_enrolled.cmc[0]).text,
                     "against one photo of everybody");
    (void)snprintf(value, sizeof value, "%.5f", r->map_at_r);
    (void)snprintf(below, sizeof below, "mAP %.5f", r->map);
    fut_page_key(page, "key", "MAP@R", value, below);
    if (o->is_defined && o->at[0].is_resolved) {
        const fut_fnir_at_fpir *at = o->at[1].is_resolved ? &o->at[1] : &o->at[0];
        (void)snprintf(value, sizeof value, "FNIR at FPIR %g\u202f%%", 100 * at->target);
        (void)snprintf(below, sizeof below, "at similarity %.4f", at->threshold);
        fut_page_key(page, "key", value, fut_text_of_percent(at->fnir).text, below);
    }
    fut_page_raw(page, "</section>\n");
}

static void put_cmc_card(fut_page *page, const fut_identification *id)
{
    fut_page_raw(page, "<div class=\"card\"><h3>Found at rank k (CMC)</h3>\n<ul class=\"legend\">");
    fut_page_put(page, "<li class=\"same\"><i></i>%s photos, each against %s</li>", fut_text_of_count(id->leave_one_out.n_probes).text,
                 id->has_reference ? "the training photos" : "all others");
    if (id->one_enrolled.n_probes > 0)
        fut_page_put(page, "<li class=\"different\"><i></i>%s photos, each against one of everybody</li>",
                     fut_text_of_count(id->one_enrolled.n_probes).text);
    fut_page_raw(page, "</ul>\n");
    fut_chart_cmc(page, id);
    fut_page_raw(page, "</div>\n");
}

static void put_rank_row(fut_page *page, const char *name, const fut_closed_set *c)
{
    if (c->n_probes == 0) return;
    fut_page_put(page, "<tr><th scope=\"row\">%s</th>", name);
    for (int i = 0; i < RANK_COUNT; i++)
        fut_page_put(page, "<td>%s</td>", fut_text_of_percent(c->cmc[RANKS[i] - 1]).text);
    fut_page_raw(page, "</tr>\n");
}

static void put_ranks(fut_page *page, const fut_identification *id)
{
    const fut_retrieval *r = &id->retrieval;
    fut_page_raw(page, "<h3>Ranks and precision</h3><div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">k</th>");
    for (int i = 0; i < RANK_COUNT; i++)
        fut_page_put(page, "<th scope=\"col\">%d</th>", RANKS[i]);
    fut_page_raw(page, "</tr></thead>\n<tbody>\n");
    put_rank_row(page, id->has_reference ? "rank k, training photos" : "rank k, all others", &id->leave_one_out);
    put_rank_row(page, "rank k, one enrolled", &id->one_enrolled);
    fut_page_put(page, "<tr><th scope=\"row\">precision@k</th><td>%.4f</td><td>%.4f</td><td>%.4f</td></tr>\n", r->precision_at_1,
                 r->precision_at_5, r->precision_at_10);
    fut_page_raw(page, "</tbody></table></div>\n");
}

static void put_strangers(fut_page *page, const fut_open_set *o)
{
    fut_page_raw(page, "<h3 style=\"margin-top:22px\">Strangers (open set)</h3>");
    if (!o->is_defined) {
        fut_page_raw(page, "<p class=\"weak\">Not defined: too few people to leave some out.</p>\n");
        return;
    }
    fut_page_raw(page, "<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">threshold for</th><th scope=\"col\">FPIR</th><th "
                       "scope=\"col\">FNIR</th><th scope=\"col\">similarity</th></tr></thead>\n<tbody>\n");
    for (int i = 0; i < FUT_OPEN_SET_FPIRS; i++) {
        const fut_fnir_at_fpir *at = &o->at[i];
        if (at->is_resolved) {
            fut_page_put(page, "<tr><th scope=\"row\">FPIR \u2264 %g\u202f%%</th><td>%s</td><td>%s</td><td>%.4f</td></tr>\n",
                         100 * at->target, fut_text_of_percent(at->fpir).text, fut_text_of_percent(at->fnir).text, at->threshold);
            continue;
        }
        fut_page_put(page,
                     "<tr class=\"weak\"><th scope=\"row\" class=\"weak\">FPIR \u2264 %g\u202f%%</th><td colspan=\"3\">too few photos of "
                     "strangers to tell: %s</td></tr>\n",
                     100 * at->target, fut_text_of_count(o->n_nonmated).text);
        break; /* the stricter ones too */
    }
    fut_page_raw(page, "</tbody></table></div>\n");
}

void fut_page_identification(fut_page *page, const fut_identification *id)
{
    if (id->retrieval.n_queries == 0) return;
    fut_page_raw(page, "<h2>One among many</h2>\n");
    put_keys(page, id);
    fut_page_raw(page, "<section class=\"grid\" style=\"margin-top:14px\">\n");
    put_cmc_card(page, id);
    fut_page_raw(page, "<div class=\"card\">");
    put_ranks(page, id);
    put_strangers(page, &id->open_set);
    fut_page_raw(page, "</div>\n</section>\n");
    fut_page_raw(page, definitions);
}
