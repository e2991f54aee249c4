/* The report in its three forms: numbers are there, hostile names do no harm, the page is whole and needs nothing from elsewhere. */
#include "launch/report.h"
#include "core/base/file.h"
#include "core/base/mem.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define HOSTILE "<img src=x onerror=\"alert('1')\">&\x1b[31m\xff"

enum { N = 60, EPOCHS = 5, LONG = 5000 };

typedef struct sample {
    float score[N];
    uint8_t same[N];
    fut_verification verification;
    fut_identification identification;
    fut_image image[2];
    fut_report_pair hard_same[2], hard_different[1];
    fut_report_fact fact[2];
    double x[LONG], y[LONG];
    fut_report_chart chart[3];
    fut_report report;
} sample;

static void fill_pictures(sample *s)
{
    assert_int_equal(fut_image_create(30, 20, &s->image[0]), FUT_OK);
    assert_int_equal(fut_image_create(500, 250, &s->image[1]), FUT_OK);
    memset(s->image[0].rgb, 200, 30 * 20 * 3);
    s->hard_same[0] = (fut_report_pair){&s->image[0], &s->image[1], HOSTILE, "Zo\xc3\xab", 0.125};
    s->hard_same[1] = (fut_report_pair){NULL, NULL, NULL, NULL, 0.25};
    s->hard_different[0] = (fut_report_pair){&s->image[1], &s->image[0], "A", "B", 0.75};
}

static void fill_charts(sample *s)
{
    for (int i = 0; i < LONG; i++) {
        s->x[i] = i + 1;
        s->y[i] = i == 2 ? (double)NAN : 1.0 / (i + 1);
    }
    s->chart[0] = (fut_report_chart){"Loss " HOSTILE, "epoch", {{"training", s->x, s->y, EPOCHS}}, 1, false};
    s->chart[1] = (fut_report_chart){"Rate", "step", {{"long", s->x, s->y, LONG}, {"one point", s->x, s->y, 1}}, 2, true};
    s->chart[2] = (fut_report_chart){"Empty", "epoch", {{"nothing", NULL, NULL, 0}}, 1, false};
}

/* 12 people, 30 photos; FPIR 1e-3 is out of reach. */
static void fill_identification(fut_identification *id)
{
    id->retrieval = (fut_retrieval){.n_queries = 30, .n_lone = 2, .precision_at_1 = 0.625, .map_at_r = 0.515625, .map = 0.75};
    id->leave_one_out = (fut_closed_set){.n_probes = 30, .n_gallery = 32, .n_people = 12};
    id->one_enrolled = (fut_closed_set){.n_probes = 20, .n_gallery = 12, .n_people = 12};
    for (int k = 0; k < FUT_CMC_RANKS; k++) {
        id->leave_one_out.cmc[k] = fmin(0.625 + 0.0625 * k, 1);
        id->one_enrolled.cmc[k] = fmin(0.375 + 0.0625 * k, 1);
    }
    id->open_set = (fut_open_set){.is_defined = true, .n_mated = 14, .n_nonmated = 100, .n_gallery = 6, .n_people = 6};
    id->open_set.at[0] = (fut_fnir_at_fpir){.target = 0.1, .fpir = 0.09, .fnir = 0.25, .threshold = 0.5, .is_resolved = true};
    id->open_set.at[1] = (fut_fnir_at_fpir){.target = 0.01, .fpir = 0.01, .fnir = 0.4375, .threshold = 0.75, .is_resolved = true};
    id->open_set.at[2] = (fut_fnir_at_fpir){.target = 0.001, .fnir = 1, .threshold = 0.875};
}

/* same_in: one pair in that many is of one person; 0: none is. */
static void sample_init(sample *s, int same_in, int n_folds)
{
    memset(s, 0, sizeof *s);
    for (int i = 0; i < N; i++) {
        s->same[i] = same_in > 0 && i % same_in == 0;
        s->score[i] = (float)(i * 7 % N) / (2 * N) + (s->same[i] ? 0.25F : 0);
    }
    fut_metric_options options = {.n_folds = n_folds};
    assert_int_equal(fut_metric_pairs(s->score, s->same, N, &options, &s->verification), FUT_OK);
    fill_pictures(s);
    fill_charts(s);
    fill_identification(&s->identification);
    s->fact[0] = (fut_report_fact){"dataset", "faces.h5"};
    s->fact[1] = (fut_report_fact){"model", HOSTILE};
    s->report = (fut_report){.title = HOSTILE,
                             .fact = s->fact,
                             .n_facts = 2,
                             .verification = &s->verification,
                             .identification = &s->identification,
                             .note = "a note & more",
                             .hard_same = s->hard_same,
                             .hard_different = s->hard_different,
                             .n_hard_same = 2,
                             .n_hard_different = 1,
                             .chart = s->chart,
                             .n_charts = 3};
}

static void sample_fini(sample *s)
{
    fut_verification_fini(&s->verification);
    fut_image_fini(&s->image[0]);
    fut_image_fini(&s->image[1]);
}

static int count_of(const char *text, const char *part)
{
    int n = 0;
    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part))
        n++;
    return n;
}

static bool is_void_element(const char *name)
{
    return strcmp(name, "meta") == 0 || strcmp(name, "img") == 0 || strcmp(name, "!doctype") == 0;
}

/* Every element is closed, in order; attributes are quoted; text holds no stray markup. */
static void assert_well_formed(const char *html)
{
    char open[64][16];
    int depth = 0;
    for (const char *at = strchr(html, '<'); at != NULL; at = strchr(at, '<')) {
        char name[16] = "";
        bool is_end = at[1] == '/';
        const char *end = at + 1;
        for (bool is_quoted = false; *end != '>' || is_quoted; end++) {
            if (*end == '"') is_quoted = !is_quoted;
            assert_true(*end != '\0' && (is_quoted || *end != '<'));
        }
        if (sscanf(at + (is_end ? 2 : 1), "%15[a-z0-9!]", name) != 1) fail_msg("stray markup: %.40s", at);
        if (is_end) {
            if (depth == 0 || strcmp(open[depth - 1], name) != 0)
                fail_msg("</%s> closes <%s>: %.60s", name, depth > 0 ? open[depth - 1] : "", at);
            depth--;
        } else if (end[-1] != '/' && !is_void_element(name)) {
            assert_true(depth < 64);
            (void)snprintf(open[depth++], sizeof open[0], "%s", name);
        }
        at = end;
    }
    assert_int_equal(depth, 0);
}

static void assert_contained(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) fail_msg("\"%s\" is not in: %.2000s", part, text);
}

static void test_html(void **state)
{
    (void)state;
    static sample s;
    fut_str html = {0};
    sample_init(&s, 3, 10);
    assert_int_equal(fut_report_html(&s.report, &html), FUT_OK);
    assert_int_equal(strlen(html.data), html.length);
    assert_well_formed(html.data);
    /* One page: no script, nothing fetched, no name taken for markup. */
    assert_null(strstr(html.data, "<script"));
    assert_null(strstr(html.data, "://"));
    assert_null(strstr(html.data, "<img src=x"));
    assert_null(strstr(html.data, "url("));
    assert_null(strstr(html.data, "nan"));
    assert_contained(html.data, "&lt;img src=x onerror=&quot;alert(&#39;1&#39;)&quot;&gt;&amp;\\x1b[31m\\xff");
    assert_contained(html.data, "a note &amp; more");
    assert_contained(html.data, "10 folds");
    assert_int_equal(count_of(html.data, "data:image/jpeg;base64,"), 4);
    assert_int_equal(count_of(html.data, "no picture"), 2);
    assert_int_equal(count_of(html.data, "<svg"), 6); /* two ROC, histogram, CMC, two charts: the empty one is left out */
    assert_int_equal(count_of(html.data, "role=\"img\""), 6);
    assert_int_equal(count_of(html.data, " alt=\""), 4);
    assert_null(strstr(html.data, ">Empty<"));
    assert_true(html.length < 100000); /* 5,000 points are thinned */
    fut_str_fini(&html);
    sample_fini(&s);
}

static int value_of_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = strchr(digits, c);
    return c != '\0' && at != NULL ? (int)(at - digits) : -1;
}

static void decode_base64(const char *text, fut_str *out)
{
    uint32_t bits = 0;
    for (int i = 0; value_of_digit(text[i]) >= 0; i++) {
        bits = bits << 6 | (uint32_t)value_of_digit(text[i]);
        char byte = (char)(bits >> (6 - i % 4 * 2) & 0xff);
        if (i % 4 != 0) assert_int_equal(fut_str_append(out, &byte, 1), FUT_OK);
    }
}

static void test_pictures_are_the_callers(void **state)
{
    (void)state;
    static sample s;
    fut_str html = {0};
    static const int64_t size[][2] = {{224, 112}, {30, 20}, {30, 20}, {224, 112}}; /* large ones are shrunk */
    sample_init(&s, 3, 0);
    assert_int_equal(fut_report_html(&s.report, &html), FUT_OK);
    const char *at = html.data;
    for (int i = 0; i < 4; i++) {
        fut_str bytes = {0};
        fut_image image = {0};
        at = strstr(at, "base64,") + 7;
        decode_base64(at, &bytes);
        assert_int_equal(fut_image_decode((const uint8_t *)bytes.data, bytes.length, "picture", NULL, &image), FUT_OK);
        assert_int_equal(image.width, size[i][0]);
        assert_int_equal(image.height, size[i][1]);
        assert_true(image.rgb[0] == (image.width == 30 ? 200 : 0));
        fut_image_fini(&image);
        fut_str_fini(&bytes);
    }
    fut_str_fini(&html);
    sample_fini(&s);
}

static void test_text(void **state)
{
    (void)state;
    static sample s;
    fut_str text = {0};
    char line[128];
    sample_init(&s, 3, 10);
    const fut_verification *v = &s.verification;
    assert_int_equal(fut_report_text(&s.report, &text), FUT_OK);
    (void)snprintf(line, sizeof line, "\nEER             %.2f %% at similarity %.4f\n", 100 * v->eer, v->at_eer.threshold);
    assert_contained(text.data, line);
    (void)snprintf(line, sizeof line, "\nAUC             %.5f\n", v->auc);
    assert_contained(text.data, line);
    (void)snprintf(line, sizeof line, "\n10 folds        accuracy %.2f +- %.2f %%", 100 * v->folds.accuracy_mean,
                   100 * v->folds.accuracy_std);
    assert_contained(text.data, line);
    assert_contained(text.data, "\npairs           20 of one person (mean ");
    assert_contained(text.data, "\n0.01     too few pairs of different people to tell\n");
    assert_contained(text.data, "\n  0.7500  A | B\n");
    assert_contained(text.data, "\\x1b[31m\\xff | Zo\xc3\xab\n");
    assert_null(strchr(text.data, '\x1b'));
    assert_null(strchr(text.data, '\xff'));
    fut_str_fini(&text);
    sample_fini(&s);
}

static double number(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!cJSON_IsNumber(item)) fail_msg("%s is no number", key);
    return item->valuedouble;
}

static void test_json(void **state)
{
    (void)state;
    static sample s;
    fut_str text = {0};
    sample_init(&s, 3, 10);
    const fut_verification *v = &s.verification;
    assert_int_equal(fut_report_json(&s.report, &text), FUT_OK);
    for (size_t at = 0; at < text.length;) {
        uint32_t code = 0;
        size_t n = fut_str_utf8(text.data + at, text.length - at, &code);
        assert_true(n > 0 && (code >= 0x20 || at + 1 == text.length));
        at += n;
    }
    cJSON *root = cJSON_Parse(text.data);
    assert_non_null(root);
    assert_true(fabs(number(root, "eer") - v->eer) < 1e-14 && fabs(number(root, "auc") - v->auc) < 1e-14);
    assert_true(number(root, "n_same") == 20 && number(root, "n_different") == 40);
    assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(root, "is_defined")));
    assert_true(fabs(number(cJSON_GetObjectItemCaseSensitive(root, "at_eer"), "threshold") - v->at_eer.threshold) < 1e-14);
    const cJSON *tars = cJSON_GetObjectItemCaseSensitive(root, "tar_at_far");
    assert_int_equal(cJSON_GetArraySize(tars), FUT_METRIC_FARS);
    assert_true(number(cJSON_GetArrayItem(tars, 1), "target") == 0.01);
    assert_true(cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(tars, 1), "is_resolved")));
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(root, "folds"), "accuracy")), 10);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(root, "roc")), v->n_roc);
    const cJSON *hard = cJSON_GetObjectItemCaseSensitive(root, "hardest_same");
    assert_int_equal(cJSON_GetArraySize(hard), 2);
    const cJSON *b = cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(hard, 0), "b");
    assert_string_equal(b->valuestring, "Zo\xc3\xab");
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(hard, 1), "a")));
    cJSON_Delete(root);
    fut_str_fini(&text);
    sample_fini(&s);
}

static void test_undefined(void **state)
{
    (void)state;
    static sample s;
    fut_str out = {0};
    sample_init(&s, 0, 10);
    assert_int_equal(fut_report_text(&s.report, &out), FUT_OK);
    assert_contained(out.data, "EER, AUC        not defined: no two photos of one person\n");
    assert_contained(out.data, "0 of one person, 60 of different people (mean ");
    out.length = 0;
    assert_int_equal(fut_report_json(&s.report, &out), FUT_OK);
    assert_contained(out.data, "\"is_defined\":false,\"why_undefined\":\"no two photos of one person\"");
    assert_null(strstr(out.data, "\"eer\""));
    out.length = 0;
    assert_int_equal(fut_report_html(&s.report, &out), FUT_OK);
    assert_well_formed(out.data);
    assert_contained(out.data, "not defined: no two photos of one person.");
    assert_null(strstr(out.data, "Equal error rate"));
    fut_str_fini(&out);
    sample_fini(&s);

    fut_verification nothing = {0};
    fut_report bare = {.title = "", .verification = &nothing};
    assert_int_equal(fut_report_html(&bare, &out), FUT_OK);
    assert_well_formed(out.data);
    assert_contained(out.data, "not defined: no pairs.");
    fut_str_fini(&out);
}

/* All scores the same: axes of no extent must not divide by it. */
static void test_collapsed(void **state)
{
    (void)state;
    static sample s;
    fut_str html = {0};
    sample_init(&s, 2, 0);
    fut_verification_fini(&s.verification);
    for (int i = 0; i < N; i++)
        s.score[i] = 1;
    for (int i = 0; i < LONG; i++)
        s.y[i] = i < EPOCHS ? 0 : 3e-4;
    assert_int_equal(fut_metric_pairs(s.score, s.same, N, NULL, &s.verification), FUT_OK);
    assert_int_equal(fut_report_html(&s.report, &html), FUT_OK);
    assert_well_formed(html.data);
    assert_null(strstr(html.data, "nan"));
    assert_null(strstr(html.data, "inf"));
    assert_contained(html.data, "0.50000");
    fut_str_fini(&html);
    sample_fini(&s);
}

static void test_file_is_whole_or_absent(void **state)
{
    (void)state;
    static sample s;
    fut_str html = {0};
    fut_str read = {0};
    char path[] = "/tmp/fut_report_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    sample_init(&s, 3, 0);
    assert_int_equal(fut_report_html(&s.report, &html), FUT_OK);
    assert_int_equal(fut_report_write_html(&s.report, path), FUT_OK);
    assert_int_equal(fut_file_read(path, 1 << 24, &read), FUT_OK);
    assert_string_equal(read.data, html.data);
    assert_int_equal(unlink(path), 0);
    fut_trail_clear();
    assert_int_not_equal(fut_report_write_html(&s.report, "/nonexistent/report.html"), FUT_OK);
    assert_contained(fut_trail_message(), "/nonexistent/report.html");
    fut_trail_clear();
    fut_str_fini(&html);
    fut_str_fini(&read);
    sample_fini(&s);
}

typedef fut_status (*make_report)(const fut_report *report, fut_str *out);

static void test_exhausted_memory(void **state)
{
    (void)state;
    static sample s;
    static const make_report forms[] = {fut_report_text, fut_report_json, fut_report_html};
    sample_init(&s, 3, 10);
    int64_t before = fut_mem_bytes();
    for (int form = 0; form < 3; form++) {
        fut_status st = FUT_ERR_NO_MEMORY;
        for (int64_t n = 1; st != FUT_OK; n++) {
            fut_str out = {0};
            fut_trail_clear();
            fut_mem_fail_after(n);
            st = forms[form](&s.report, &out);
            fut_mem_fail_after(0);
            if (st != FUT_OK) assert_int_equal(st, FUT_ERR_NO_MEMORY);
            assert_true(n < 10000);
            fut_str_fini(&out);
            assert_int_equal(fut_mem_bytes(), before);
        }
    }
    fut_trail_clear();
    sample_fini(&s);
}

static void test_identification(void **state)
{
    (void)state;
    static sample s;
    fut_str out = {0};
    sample_init(&s, 3, 0);
    assert_int_equal(fut_report_text(&s.report, &out), FUT_OK);
    assert_contained(out.data, "\nrank 1, 5, 10   62.50 %, 87.50 %, 100.00 %  30 photos, each against all others, 12 people\n");
    assert_contained(out.data, "\n  one enrolled  37.50 %, 62.50 %, 93.75 %  20 photos, each against one photo of everybody\n");
    assert_contained(out.data, "\nMAP@R           0.51562; mAP 0.75000; R-precision 0.00000\n");
    assert_contained(
        out.data, "\n0.1         25.00 %       0.5000\n0.01        43.75 %       0.7500\n0.001    too few photos of strangers to tell\n");
    out.length = 0;
    assert_int_equal(fut_report_json(&s.report, &out), FUT_OK);
    cJSON *root = cJSON_Parse(out.data);
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(root, "identification");
    const cJSON *one = cJSON_GetObjectItemCaseSensitive(id, "one_enrolled");
    const cJSON *open = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(id, "open_set"), "fnir_at_fpir");
    assert_true(number(id, "rank_1") == 0.625 && number(id, "rank_5") == 0.875 && number(id, "map_at_r") == 0.515625);
    assert_true(number(one, "rank_10") == 0.9375 && number(one, "n_gallery") == 12);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(id, "cmc")), 12);
    assert_int_equal(cJSON_GetArraySize(open), FUT_OPEN_SET_FPIRS);
    assert_true(number(cJSON_GetArrayItem(open, 1), "fnir") == 0.4375);
    assert_true(cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(open, 2), "is_resolved")));
    cJSON_Delete(root);
    out.length = 0;
    assert_int_equal(fut_report_html(&s.report, &out), FUT_OK);
    assert_well_formed(out.data);
    assert_contained(out.data, "<h2>One among many</h2>");
    assert_contained(out.data, "Found at rank k (CMC)");
    assert_contained(out.data, "FNIR at FPIR 1\u202f%");
    assert_contained(out.data, "too few photos of strangers to tell: 100");

    /* Against training photos, one person, nobody to leave out; then nobody to be found. */
    s.identification = (fut_identification){.has_reference = true, .retrieval.n_queries = 1};
    s.identification.leave_one_out = (fut_closed_set){.n_probes = 1, .n_gallery = 3, .n_people = 1, .cmc = {1}};
    out.length = 0;
    assert_int_equal(fut_report_html(&s.report, &out), FUT_OK);
    assert_well_formed(out.data);
    assert_contained(out.data, "each against the training photos");
    assert_contained(out.data, "Not defined: too few people to leave some out.");
    assert_null(strstr(out.data, "one photo enrolled"));
    assert_null(strstr(out.data, "nan"));
    s.identification = (fut_identification){0};
    out.length = 0;
    assert_int_equal(fut_report_html(&s.report, &out), FUT_OK);
    assert_null(strstr(out.data, "One among many"));
    out.length = 0;
    assert_int_equal(fut_report_text(&s.report, &out), FUT_OK);
    assert_contained(out.data, "rank 1, 5, 10   not defined: nobody has a photo to be found by\n");
    fut_str_fini(&out);
    sample_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_html),
        cmocka_unit_test(test_pictures_are_the_callers),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_undefined),
        cmocka_unit_test(test_collapsed),
        cmocka_unit_test(test_file_is_whole_or_absent),
        cmocka_unit_test(test_exhausted_memory),
        cmocka_unit_test(test_identification),
    };
    return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
