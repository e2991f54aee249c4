#include "core/base/file.h"
#include "launch/report_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PICTURE_SIDE_MAX = 224, JPEG_QUALITY = 88 };

/* One string a part: colours, page, cards, plots, tables, pairs of photos. */
static const char *const style[] = {
    ":root{color-scheme:light dark;--page:#f6f5f2;--card:#fff;--edge:#e3e0da;--text:#1d1c1a;--soft:#6b6760;--grid:#ebe8e2;"
    "--same:#1f6feb;--different:#d9730d;--c3:#2f9e6e;--c4:#9b59d0;--bad:#c2342b;--badge:#fbe9e7;--tint:#eef4fe}"
    "@media(prefers-color-scheme:dark){:root{--page:#131417;--card:#1b1d21;--edge:#2d3036;--text:#e9e7e3;--soft:#9c9a94;--grid:#282b30;"
    "--same:#6ea8fe;--different:#f2a154;--c3:#63c99b;--c4:#c39af0;--bad:#ff8a80;--badge:#3a2323;--tint:#1c2636}}",
    "*{box-sizing:border-box}"
    "body{margin:0;background:var(--page);color:var(--text);font:16px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\","
    "\"Liberation Sans\",sans-serif;font-variant-numeric:tabular-nums;-webkit-text-size-adjust:100%}"
    "main{max-width:1120px;margin:0 auto;padding:44px 24px 56px}"
    "header{margin-bottom:26px}"
    ".eyebrow{margin:0 0 6px;color:var(--soft);font-size:13px;letter-spacing:.06em;text-transform:uppercase}"
    "h1{margin:0;font-size:clamp(26px,4vw,36px);line-height:1.15;letter-spacing:-.02em;font-weight:650;overflow-wrap:anywhere}"
    "h2{margin:46px 0 16px;font-size:21px;letter-spacing:-.01em;font-weight:620}"
    "h3{margin:0 0 10px;font-size:15px;font-weight:600}"
    "p{max-width:70ch}"
    ".facts{display:grid;grid-template-columns:max-content 1fr;gap:5px 22px;margin:20px 0 0;font-size:14.5px}"
    ".facts dt{color:var(--soft)}.facts dd{margin:0;overflow-wrap:anywhere}",
    ".note{margin:0 0 22px;padding:13px 18px;border:1px solid var(--edge);border-left:4px solid var(--different);border-radius:8px;"
    "background:var(--card);max-width:none}"
    ".keys{display:grid;grid-template-columns:repeat(auto-fit,minmax(190px,1fr));gap:14px}"
    ".key,.card{background:var(--card);border:1px solid var(--edge);border-radius:12px}"
    ".key{padding:16px 20px 15px}.key b{display:block;font-size:31px;line-height:1.2;font-weight:640;letter-spacing:-.02em}"
    ".key span{color:var(--soft);font-size:13.5px}.key .name{display:block;color:var(--text);font-weight:600;font-size:14px}"
    ".key.first{background:var(--tint)}"
    ".grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,440px),1fr));gap:14px}"
    ".thirds{grid-template-columns:repeat(auto-fill,minmax(min(100%,310px),1fr))}"
    ".card{padding:18px 20px;min-width:0}",
    ".legend{display:flex;flex-wrap:wrap;gap:2px 18px;margin:-4px 0 8px;padding:0;list-style:none;font-size:13.5px;color:var(--soft)}"
    ".legend i{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:7px}"
    ".legend i.bar{width:0;height:13px;border-radius:0;border-left:2px solid var(--ink);background:none;margin-bottom:-2px}"
    ".legend i.bar.dashed{border-left-style:dashed}"
    ".legend i.dotted{height:0;border-radius:0;border-top:2px dotted var(--soft);background:none;margin-bottom:4px;width:16px}"
    ".plot{display:block;width:100%;height:auto;overflow:visible}"
    ".plot text{fill:var(--soft);font-size:12.5px}"
    ".plot path{fill:none}.plot .grid{stroke:var(--grid)}.plot .axis{stroke:var(--soft);stroke-opacity:.6}"
    ".line{stroke-width:2.25;stroke-linejoin:round;stroke-linecap:round}.guide{stroke:var(--soft);stroke-opacity:.55;stroke-dasharray:2 5}"
    ".same,.c1{--ink:var(--same)}.different,.c2{--ink:var(--different)}.c3{--ink:var(--c3)}.c4{--ink:var(--c4)}.eer{--ink:var(--text)}"
    ".line{stroke:var(--ink)}.plot .area{stroke:var(--ink);stroke-width:1.5;fill:var(--ink);fill-opacity:.2}"
    ".dot{fill:var(--ink);stroke:var(--card);stroke-width:1.5}.legend i{background:var(--ink)}"
    ".rule{stroke:var(--text);stroke-width:1.25}.dashed{stroke-dasharray:5 4}",
    "table{width:100%;border-collapse:collapse;font-size:14.5px}"
    "th,td{padding:7px 0 7px 14px;text-align:right;border-bottom:1px solid var(--grid);white-space:nowrap}"
    "th:first-child,td:first-child{text-align:left;padding-left:0}tr:last-child>*{border-bottom:0}"
    "th{color:var(--soft);font-weight:500;font-size:13px}tbody th{color:var(--text);font-weight:400;font-size:14.5px}"
    ".weak{color:var(--soft)}.scroll{overflow-x:auto}",
    ".pairs{display:grid;grid-template-columns:repeat(auto-fill,minmax(158px,1fr));gap:14px}"
    "figure{margin:0;padding:10px;background:var(--card);border:1px solid var(--edge);border-radius:12px;min-width:0}"
    ".twins{display:grid;grid-template-columns:1fr 1fr;gap:3px;border-radius:7px;overflow:hidden}"
    ".twins>*{display:block;width:100%;aspect-ratio:1;object-fit:cover;background:var(--grid)}"
    ".none{display:grid;place-items:center;color:var(--soft);font-size:12px}"
    "figcaption{margin-top:9px;font-size:13px;line-height:1.4;color:var(--soft);overflow-wrap:anywhere}"
    "figcaption b{color:var(--text);font-size:16px;font-weight:620;margin-right:8px}figcaption bdi{display:block}"
    ".badge{display:inline-block;padding:0 7px;border-radius:9px;background:var(--badge);color:var(--bad);font-size:12px}"
    "footer{margin-top:50px;padding-top:18px;border-top:1px solid var(--edge);color:var(--soft);font-size:13.5px}"
    "@media print{body{background:none}main{padding:0}.card,.key,figure{break-inside:avoid}}",
};

static const char definitions[] =
    "<p>A pair is accepted when its similarity (cosine) is at or above a threshold. FAR is the share of pairs of different people that are "
    "accepted, TAR that of pairs of one person. EER is the point of the ROC where FAR equals 1 \u2212 TAR, interpolated linearly between "
    "its "
    "vertices; pairs of equal similarity are accepted together. TAR at a FAR is the largest TAR whose FAR does not exceed it. A threshold "
    "stands half way between the lowest similarity it accepts and the highest it refuses.</p>";

static const char folds_definition[] =
    "<p>The folds follow LFW as insightface evaluates it: the threshold with the best accuracy on nine tenths, of squared distances "
    "2\u00a0\u2212\u00a02\u00a0\u00d7\u00a0similarity in steps of 0.01, is tried on the last tenth; \u00b1 is the standard deviation over "
    "folds.</p>";

/* ---- the head: facts and key numbers ------------------------------------------------------------------------------------------- */

static void put_head(fut_page *page, const fut_report *r)
{
    fut_page_raw(page, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
                       "content=\"width=device-width,initial-scale=1\"><meta name=\"generator\" content=\"futago\"><title>");
    fut_page_text(page, r->title);
    fut_page_raw(page, "</title>\n<style>");
    for (size_t i = 0; i < sizeof style / sizeof style[0]; i++)
        fut_page_raw(page, style[i]);
    fut_page_raw(page, "</style></head>\n<body><main>\n<header><p class=\"eyebrow\">Verification report</p><h1>");
    fut_page_text(page, r->title);
    fut_page_raw(page, "</h1>\n");
    if (r->n_facts > 0) fut_page_raw(page, "<dl class=\"facts\">\n");
    for (int64_t i = 0; i < r->n_facts; i++) {
        fut_page_raw(page, "<dt>");
        fut_page_text(page, r->fact[i].name);
        fut_page_raw(page, "</dt><dd>");
        fut_page_text(page, r->fact[i].value);
        fut_page_raw(page, "</dd>\n");
    }
    if (r->n_facts > 0) fut_page_raw(page, "</dl>\n");
    fut_page_raw(page, "</header>\n");
    if (r->note == NULL) return;
    fut_page_raw(page, "<p class=\"note\">");
    fut_page_text(page, r->note);
    fut_page_raw(page, "</p>\n");
}

void fut_page_key(fut_page *page, const char *css_class, const char *name, const char *value, const char *below)
{
    fut_page_put(page, "<div class=\"%s\"><span class=\"name\">%s</span><b>%s</b><span>%s</span></div>\n", css_class, name, value, below);
}

/* The strictest FAR that there are pairs enough for, but not stricter than 1e-3. */
static const fut_tar_at_far *headline_tar(const fut_verification *v)
{
    int i = 0;
    while (i < 2 && v->tar[i + 1].is_resolved)
        i++;
    return &v->tar[i];
}

static void put_keys(fut_page *page, const fut_verification *v)
{
    char value[64];
    char below[96];
    const fut_tar_at_far *tar = headline_tar(v);
    fut_page_raw(page, "<section class=\"keys\" aria-label=\"Key numbers\">\n");
    (void)snprintf(below, sizeof below, "at similarity %.4f", v->at_eer.threshold);
    fut_page_key(page, "key first", "Equal error rate", fut_text_of_percent(v->eer).text, below);
    (void)snprintf(value, sizeof value, "%.5f", v->auc);
    fut_page_key(page, "key", "Area under the ROC", value, "1 is perfect, 0.5 is chance");
    (void)snprintf(value, sizeof value, "TAR at FAR %g\u202f%%", tar->target * 100);
    (void)snprintf(below, sizeof below, "at similarity %.4f", tar->at.threshold);
    fut_page_key(page, "key", value, fut_text_of_percent(tar->at.tar).text, below);
    if (v->folds.n > 0) {
        (void)snprintf(value, sizeof value, "Accuracy, %d folds", v->folds.n);
        (void)snprintf(below, sizeof below, "\u00b1 %s over the folds", fut_text_of_percent(v->folds.accuracy_std).text);
        fut_page_key(page, "key", value, fut_text_of_percent(v->folds.accuracy_mean).text, below);
    } else {
        (void)snprintf(below, sizeof below, "at similarity %.4f", v->at_best.threshold);
        fut_page_key(page, "key", "Best accuracy", fut_text_of_percent(v->at_best.accuracy).text, below);
    }
    fut_page_raw(page, "</section>\n");
}

/* ---- curves and tables --------------------------------------------------------------------------------------------------------- */

static void put_roc_card(fut_page *page, const fut_verification *v, bool is_log, const char *heading)
{
    fut_page_put(page, "<div class=\"card\"><h3>%s</h3>\n", heading);
    fut_page_raw(page, "<ul class=\"legend\"><li class=\"same\"><i></i>ROC</li><li class=\"eer\"><i></i>equal errors</li>"
                       "<li><i class=\"dotted\"></i>chance</li></ul>\n");
    fut_chart_roc(page, v, is_log);
    fut_page_raw(page, "</div>\n");
}

static void put_kind(fut_page *page, const char *css_class, const char *name, int64_t n, double mean)
{
    if (n == 0) return;
    fut_page_put(page, "<li class=\"%s\"><i></i>%s, %s pairs, mean %.3f</li>", css_class, name, fut_text_of_count(n).text, mean);
}

static void put_histogram_card(fut_page *page, const fut_verification *v)
{
    fut_page_raw(page, "<div class=\"card\"><h3>Similarities</h3>\n<ul class=\"legend\">");
    put_kind(page, "same", "same person", v->n_same, v->mean_same);
    put_kind(page, "different", "different people", v->n_different, v->mean_different);
    if (v->is_defined) {
        fut_page_put(page, "<li class=\"eer\"><i class=\"bar\"></i>equal errors at %.3f</li>", v->at_eer.threshold);
        fut_page_put(page, "<li class=\"eer\"><i class=\"bar dashed\"></i>best accuracy at %.3f</li>", v->at_best.threshold);
    }
    fut_page_raw(page, "</ul>\n");
    fut_chart_histogram(page, v);
    fut_page_raw(page, "</div>\n");
}

static void put_point_row(fut_page *page, const char *name, const fut_operating_point *at)
{
    fut_page_put(page, "<tr><th scope=\"row\">%s</th><td>%s</td><td>%s</td><td>%s</td><td>%.4f</td></tr>\n", name,
                 fut_text_of_percent(at->far).text, fut_text_of_percent(at->tar).text, fut_text_of_percent(at->accuracy).text,
                 at->threshold);
}

static void put_points_card(fut_page *page, const fut_verification *v)
{
    char name[64];
    fut_page_raw(page, "<div class=\"card\"><h3>Operating points</h3><div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">threshold "
                       "for</th><th scope=\"col\">FAR</th><th scope=\"col\">TAR</th><th scope=\"col\">accuracy</th><th "
                       "scope=\"col\">similarity</th></tr></thead>\n<tbody>\n");
    put_point_row(page, "equal errors", &v->at_eer);
    put_point_row(page, "best accuracy", &v->at_best);
    for (int i = 0; i < FUT_METRIC_FARS; i++) {
        (void)snprintf(name, sizeof name, "FAR \u2264 %g\u202f%%", v->tar[i].target * 100);
        if (v->tar[i].is_resolved) {
            put_point_row(page, name, &v->tar[i].at);
            continue;
        }
        fut_page_put(page,
                     "<tr class=\"weak\"><th scope=\"row\" class=\"weak\">%s</th><td colspan=\"4\">too few different pairs to tell: %s</td>"
                     "</tr>\n",
                     name, fut_text_of_count(v->n_different).text);
        break; /* the stricter ones too */
    }
    fut_page_raw(page, "</tbody></table></div></div>\n");
}

static void put_folds(fut_page *page, const fut_folds *f)
{
    fut_page_put(page, "<h2>%d folds</h2>\n<div class=\"card scroll\"><table>\n<thead><tr><th scope=\"col\">fold</th>", f->n);
    for (int i = 0; i < f->n; i++)
        fut_page_put(page, "<th scope=\"col\">%d</th>", i + 1);
    fut_page_raw(page, "<th scope=\"col\">mean \u00b1 deviation</th></tr></thead>\n<tbody><tr><th scope=\"row\">accuracy</th>");
    for (int i = 0; i < f->n; i++)
        fut_page_put(page, "<td>%s</td>", fut_text_of_percent(f->accuracy[i]).text);
    fut_page_put(page, "<td><b>%s \u00b1 %s</b></td></tr>\n<tr><th scope=\"row\">threshold</th>",
                 fut_text_of_percent(f->accuracy_mean).text, fut_text_of_percent(f->accuracy_std).text);
    for (int i = 0; i < f->n; i++)
        fut_page_put(page, "<td>%.3f</td>", f->threshold[i]);
    fut_page_raw(page, "<td></td></tr></tbody></table></div>\n");
    if (!f->has_val) return;
    fut_page_put(page, "<p>TAR at FAR %g\u202f%%, its threshold taken from the other folds: %s \u00b1 ", f->val_target * 100,
                 fut_text_of_percent(f->val_mean).text);
    fut_page_put(page, "%s; the FAR it gave: %s.</p>\n", fut_text_of_percent(f->val_std).text, fut_text_of_percent(f->val_far_mean).text);
}

static void put_numbers(fut_page *page, const fut_verification *v)
{
    put_keys(page, v);
    fut_page_raw(page, "<h2>Curves</h2>\n<section class=\"grid\">\n");
    put_roc_card(page, v, true, "ROC, logarithmic FAR");
    put_roc_card(page, v, false, "ROC");
    put_histogram_card(page, v);
    put_points_card(page, v);
    fut_page_raw(page, "</section>\n");
    if (v->folds.n > 0) put_folds(page, &v->folds);
}

static void put_undefined(fut_page *page, const fut_verification *v)
{
    fut_page_put(page, "<p class=\"note\">ROC, EER and thresholds are not defined: %s.</p>\n<section class=\"grid\">",
                 fut_verification_why_undefined(v));
    if (v->n_same + v->n_different > 0) put_histogram_card(page, v);
    fut_page_raw(page, "</section>\n");
}

/* ---- hardest pairs ------------------------------------------------------------------------------------------------------------- */

static void put_jpeg(fut_page *page, const fut_image *image)
{
    fut_image small = {0};
    fut_str bytes = {0};
    int64_t longer = image->width > image->height ? image->width : image->height;
    if (page->st != FUT_OK) return;
    if (longer > PICTURE_SIDE_MAX) {
        int64_t width = image->width * PICTURE_SIDE_MAX / longer;
        int64_t height = image->height * PICTURE_SIDE_MAX / longer;
        page->st = fut_image_resize(image, NULL, width > 0 ? width : 1, height > 0 ? height : 1, &small);
    }
    if (page->st == FUT_OK) page->st = fut_image_encode_jpeg(small.rgb != NULL ? &small : image, JPEG_QUALITY, &bytes);
    fut_page_base64(page, bytes.data, bytes.length);
    fut_str_fini(&bytes);
    fut_image_fini(&small);
}

static void put_photo(fut_page *page, const fut_image *image, const char *name)
{
    if (image == NULL) {
        fut_page_raw(page, "<div class=\"none\">no picture</div>");
        return;
    }
    fut_page_raw(page, "<img alt=\"photo of ");
    fut_page_text(page, name);
    fut_page_raw(page, "\" src=\"data:image/jpeg;base64,");
    put_jpeg(page, image);
    fut_page_raw(page, "\">");
}

static void put_name(fut_page *page, const char *name)
{
    fut_page_raw(page, "<bdi>"); /* a right-to-left name must not turn its surroundings round */
    fut_page_text(page, name);
    fut_page_raw(page, "</bdi>");
}

static void put_pairs(fut_page *page, const char *heading, const char *intro, const fut_report_pair *pair, int64_t n, const char *badge,
                      bool (*is_wrong)(double score, double threshold), double threshold)
{
    if (n == 0) return;
    fut_page_put(page, "<h2>%s</h2>\n<p>%s</p>\n<section class=\"pairs\">\n", heading, intro);
    for (int64_t i = 0; i < n; i++) {
        const char *name_a = pair[i].name_a != NULL ? pair[i].name_a : "";
        const char *name_b = pair[i].name_b != NULL ? pair[i].name_b : "";
        fut_page_raw(page, "<figure><div class=\"twins\">");
        put_photo(page, pair[i].a, name_a);
        put_photo(page, pair[i].b, name_b);
        fut_page_put(page, "</div><figcaption><b>%.3f</b>", pair[i].score);
        if (is_wrong(pair[i].score, threshold)) fut_page_put(page, "<span class=\"badge\">%s</span>", badge);
        put_name(page, name_a);
        if (strcmp(name_a, name_b) != 0) put_name(page, name_b);
        fut_page_raw(page, "</figcaption></figure>\n");
    }
    fut_page_raw(page, "</section>\n");
}

static bool is_below(double score, double threshold)
{
    return score < threshold;
}

static bool is_at_or_above(double score, double threshold)
{
    return score >= threshold;
}

static void put_hardest(fut_page *page, const fut_report *r)
{
    double threshold = r->verification->is_defined ? r->verification->at_eer.threshold : (double)NAN; /* then nothing is wrong */
    put_pairs(page, "Different people, most alike",
              "Check these first: two folders of one person, or one photo in two folders, show up here as mistakes of the model.",
              r->hard_different, r->n_hard_different, "accepted", is_at_or_above, threshold);
    put_pairs(page, "Same person, least alike", "A photo of somebody else in a person\u2019s folder shows up here.", r->hard_same,
              r->n_hard_same, "refused", is_below, threshold);
}

/* ---- training ------------------------------------------------------------------------------------------------------------------ */

static void put_legend(fut_page *page, const fut_report_chart *chart)
{
    fut_page_raw(page, "<ul class=\"legend\">");
    for (int c = 0; c < chart->n_curves; c++) {
        const fut_report_curve *curve = &chart->curve[c];
        fut_page_put(page, "<li class=\"c%d\"><i></i>", c + 1);
        fut_page_text(page, curve->name);
        if (curve->n > 0 && isfinite(curve->y[curve->n - 1])) fut_page_put(page, ", last %.4g", curve->y[curve->n - 1]);
        fut_page_raw(page, "</li>");
    }
    fut_page_raw(page, "</ul>\n");
}

static void put_training(fut_page *page, const fut_report *r)
{
    bool is_open = false;
    for (int64_t i = 0; i < r->n_charts; i++) {
        if (!fut_chart_has_lines(&r->chart[i])) continue;
        if (!is_open) fut_page_raw(page, "<h2>Training</h2>\n<section class=\"grid thirds\">\n");
        is_open = true;
        fut_page_raw(page, "<div class=\"card\"><h3>");
        fut_page_text(page, r->chart[i].title);
        fut_page_raw(page, "</h3>\n");
        put_legend(page, &r->chart[i]);
        fut_chart_lines(page, &r->chart[i]);
        fut_page_raw(page, "</div>\n");
    }
    if (is_open) fut_page_raw(page, "</section>\n");
}

fut_status fut_report_html(const fut_report *report, fut_str *out)
{
    fut_page page = {.out = out};
    const fut_verification *v = report->verification;
    put_head(&page, report);
    if (v->is_defined) {
        put_numbers(&page, v);
    } else {
        put_undefined(&page, v);
    }
    if (report->identification != NULL) fut_page_identification(&page, report->identification);
    put_hardest(&page, report);
    put_training(&page, report);
    fut_page_raw(&page, "<footer>");
    fut_page_raw(&page, definitions);
    if (v->folds.n > 0) fut_page_raw(&page, folds_definition);
    fut_page_raw(&page, "</footer>\n</main></body></html>\n");
    return page.st;
}

fut_status fut_report_write_html(const fut_report *report, const char *path)
{
    fut_str html = {0};
    fut_status st = fut_report_html(report, &html);
    if (st == FUT_OK) st = fut_file_write(path, html.data, html.length);
    fut_str_fini(&html);
    return st;
}
