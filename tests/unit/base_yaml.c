/* core/base/yaml: what is accepted, and every refusal with its place and remedy. */
#include "core/base/mem.h"
#include "core/base/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* Seconds of this process on a core: other processes on the machine do not count. */
static double cpu_seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static fut_yaml_node *parse(const char *text)
{
    fut_yaml_node *root = NULL;
    fut_trail_clear();
    if (fut_yaml_parse_text("t.yaml", text, strlen(text), &root) != FUT_OK) fail_msg("refused: %s", fut_trail_message());
    return root;
}

static const fut_yaml_node *at(const fut_yaml_node *node, const char *key)
{
    for (node = node->child; node != NULL; node = node->next)
        if (strcmp(node->key, key) == 0) return node;
    fail_msg("no key %s", key);
    return NULL;
}

/* Expect a refusal within 50 ms of work whose message contains `part`, and nothing leaked. */
static void expect_refused(const char *bytes, size_t length, const char *part)
{
    fut_yaml_node *root = NULL;
    int64_t held = fut_mem_bytes();
    fut_trail_clear();
    double start = cpu_seconds();
    assert_int_equal(fut_yaml_parse_text("t.yaml", bytes, length, &root), FUT_ERR_CONFIG);
    double seconds = cpu_seconds() - start;
    if (strstr(fut_trail_message(), part) == NULL) fail_msg("\"%s\" lacks \"%s\"", fut_trail_message(), part);
    assert_null(root);
    assert_int_equal(fut_mem_bytes(), held);
#ifndef __SANITIZE_ADDRESS__
    if (seconds >= 0.050) fail_msg("%s: took %.0f ms", part, seconds * 1000);
#else
    (void)seconds;
#endif
}

static void reads_a_configuration(void **state)
{
    (void)state;
    fut_yaml_node *root = parse("# article\nrun: runs/a b\nloss: {type: contrastive, pos_margin: 1e-4}\nlist: [a, \"b c\", 'd']\n"
                                "train:\n  batch: 32\n  weights:\n");
    assert_int_equal(root->kind, FUT_YAML_MAPPING);
    assert_string_equal(at(root, "run")->text, "runs/a b");
    const fut_yaml_node *margin = at(at(root, "loss"), "pos_margin");
    assert_string_equal(margin->text, "1e-4");
    assert_string_equal(margin->origin, "t.yaml");
    assert_int_equal(margin->key_line, 3);
    assert_int_equal(margin->key_column, 27);
    assert_int_equal(margin->line, 3);
    assert_int_equal(margin->column, 39);
    const fut_yaml_node *list = at(root, "list");
    assert_int_equal(list->kind, FUT_YAML_SEQUENCE);
    assert_false(list->child->quoted);
    assert_true(list->child->next->quoted);
    assert_string_equal(list->child->next->text, "b c");
    assert_true(list->child->next->next->quoted);
    assert_null(list->child->next->next->next);
    assert_string_equal(at(at(root, "train"), "weights")->text, "");
    fut_yaml_destroy(&root);
    assert_null(root);
    assert_int_equal(fut_mem_bytes(), 0);
}

static void empty_documents_are_empty_mappings(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "\n\n", "# only a comment\n", "---\n", "\xef\xbb\xbf", "  \n", NULL};
    for (int i = 0; texts[i] != NULL; i++) {
        fut_yaml_node *root = parse(texts[i]);
        assert_int_equal(root->kind, FUT_YAML_MAPPING);
        assert_null(root->child);
        fut_yaml_destroy(&root);
    }
}

static void byte_order_mark_and_crlf(void **state)
{
    (void)state;
    fut_yaml_node *root = parse("\xef\xbb\xbf"
                                "a: 1\r\nb: \xe5\x8f\x8c\r\n");
    assert_string_equal(at(root, "a")->text, "1");
    assert_string_equal(at(root, "b")->text, "\xe5\x8f\x8c");
    assert_int_equal(at(root, "b")->line, 2);
    fut_yaml_destroy(&root);
}

static void refusals_name_place_and_remedy(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"a: &x 1\n", "t.yaml:1:4: anchor &x; anchors are not accepted, repeat the value"},
        {"a: [&x 1]\n", "t.yaml:1:5: anchor &x"},
        {"a: &x {b: 1}\n", "t.yaml:1:4: anchor &x"},
        {"a: &x [1]\n", "t.yaml:1:4: anchor &x"},
        {"&x a: 1\n", "t.yaml:1:1: anchor &x"},
        {"a: *x\n", "t.yaml:1:4: alias *x; aliases are not accepted, repeat the value"},
        {"a: !!int 1\n", "t.yaml:1:4: tag tag:yaml.org,2002:int; tags are not accepted, remove it"},
        {"a: !x {}\n", "t.yaml:1:4: tag !x"},
        {"a: 1\n---\nb: 1\n", "t.yaml:2:1: a second document starts here; keep one, and remove the line ---"},
        {"a:\n  b: 1\n  c: 2\n  b: 3\n", "t.yaml:4:3: key b is here twice, first at line 2; remove one"},
        {"a: 1\nb:\n\tc: 1\n", "t.yaml:3:1: a tab in the indentation; use blanks"},
        {"a: 1\nb:\n  \tc: 1\n", "t.yaml:3:3: a tab in the indentation"},
        {"? [1]\n: b\n", "t.yaml:1:3: a key must be a word"},
        {"{a: 1}: b\n", "t.yaml:1:1: a key must be a word"},
        {"'': b\n", "t.yaml:1:1: an empty key"},
        {": b\n", "t.yaml:1:1: did not find expected key"},
        {"a: [1, 2\nb: 3\n", "t.yaml:2:2: did not find expected ',' or ']' while parsing a flow sequence that starts at line 1"},
        {"a: \"b\n", "found unexpected end of stream while scanning a quoted scalar that starts at line 1"},
        {"a: 1\n b: 2\n", "t.yaml:2:3: mapping values are not allowed in this context"},
        {"a: \"\\0\"\n", "t.yaml:1:4: the text has a NUL character"},
        {"a: \x01\n", "t.yaml:1:4: character U+0001 is not text"},
        {"a: 1\nb: \xff\n", "t.yaml:2:4: byte 0xff is not UTF-8 text; save the file as UTF-8"},
        {"a: \xe5\x8f\n", "t.yaml:1:4: byte 0xe5 is not UTF-8"},
        {"\xff\xfe"
         "a",
         "t.yaml:1:1: byte 0xff is not UTF-8"},
        {"a: @b\n", "t.yaml:1:4: found character that cannot start any token"},
        {"a: {b: {c: {d: {e: {f: {g: {h: {i: {j: {k: {l: {m: {n: {o: {p: {q: 1}}}}}}}}}}}}}}}}\n", "nested deeper than 16 levels"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_refused(rows[i][0], strlen(rows[i][0]), rows[i][1]);
    expect_refused("a: 1\0b: 2", 9, "t.yaml:1:5: character U+0000 is not text");
}

static void depth_sixteen_is_accepted(void **state)
{
    (void)state;
    fut_yaml_node *root = parse("a: {b: {c: {d: {e: {f: {g: {h: {i: {j: {k: {l: {m: {n: {o: {p: 1}}}}}}}}}}}}}}}\n");
    fut_yaml_destroy(&root);
}

/* `unit` repeated up to `bytes`. */
static char *repeat(const char *head, const char *unit, size_t bytes)
{
    size_t n = strlen(unit);
    size_t used = strlen(head);
    char *text = malloc(used + bytes + n + 1);
    assert_non_null(text);
    memcpy(text, head, used + 1);
    for (size_t done = 0; done < bytes; done += n)
        memcpy(text + used + done, unit, n + 1);
    return text;
}

static void bombs_are_refused_at_once(void **state)
{
    (void)state;
    static const struct {
        const char *head, *unit;
        size_t bytes;
        const char *part;
    } rows[] = {
        {"", "[", 200000, "t.yaml:1:17: nested deeper than 16 levels"},
        {"", "{a: ", 1000000, "nested deeper than 16 levels"},
        {"", "{a,", 1000000, "a key must be a word"},
        {"", "- ", 1000000, "nested deeper than 16 levels"},
        {"", "? ", 1000000, "a key must be a word"},
        {"a: [", "1,", 1000000, "more than 1024 entries"},
        {"a: [", "[],", 1000000, "more than 1024 entries"},
        {"a: ", "x", (10 << 20) - 3, "10485760 bytes, a configuration has at most 1048576"},
        {"a: &", "a", 1000000, "anchor &aaa"},
        {"a: !", "a", 1000000, "tag !aaa"},
        {"", "a0: &a [x,x]\n", 100000, "anchor &a"},
        {"a: \"", "\\x", 1000000, "did not find expected hexdecimal number"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = repeat(rows[i].head, rows[i].unit, rows[i].bytes);
        expect_refused(text, strlen(text), rows[i].part);
        free(text);
    }
    /* 20 lists of 1000: few entries in each, too many in all. */
    char *text = repeat("", "1,", 2000);
    char *wide = malloc(60000);
    assert_non_null(wide);
    size_t used = 0;
    for (int i = 0; i < 20; i++)
        used += (size_t)sprintf(wide + used, "k%d: [%s]\n", i, text);
    expect_refused(wide, used, "more than 16384 values");
    free(wide);
    free(text);
}

static void large_but_legal_is_quick(void **state)
{
    (void)state;
    char *text = repeat("a: ", "x", (1 << 20) - 3);
    fut_yaml_node *root = parse(text);
    assert_int_equal(strlen(at(root, "a")->text), (1 << 20) - 3);
    fut_yaml_destroy(&root);
    free(text);
}

static void files(void **state)
{
    (void)state;
    char path[] = "/tmp/fut_yaml_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "a: {b: 1, b: 2}\n", 16), 16);
    fut_yaml_node *root = NULL;
    char expected[100];
    fut_trail_clear();
    assert_int_equal(fut_yaml_parse_file(path, &root), FUT_ERR_CONFIG);
    (void)snprintf(expected, sizeof expected, "%s:1:11: key b is here twice", path);
    assert_non_null(strstr(fut_trail_message(), expected));
    assert_int_equal(ftruncate(fd, 10 << 20), 0);
    fut_trail_clear();
    double start = cpu_seconds();
    assert_int_equal(fut_yaml_parse_file(path, &root), FUT_ERR_CONFIG);
    assert_true(cpu_seconds() - start < 0.050);
    assert_non_null(strstr(fut_trail_message(), "10485760 bytes, more than 1048576"));
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(fut_yaml_parse_file(path, &root), FUT_OK);
    fut_yaml_destroy(&root);
    (void)close(fd);
    (void)unlink(path);
    fut_trail_clear();
    assert_int_equal(fut_yaml_parse_file(path, &root), FUT_ERR_NO_INPUT);
    assert_non_null(strstr(fut_trail_message(), "No such file"));
    fut_trail_clear();
    assert_int_equal(fut_yaml_parse_file("/tmp", &root), FUT_ERR_CONFIG);
    assert_non_null(strstr(fut_trail_message(), "this is a folder"));
}

static void set(fut_yaml_node *root, const char *assignment)
{
    fut_trail_clear();
    if (fut_yaml_set(root, assignment) != FUT_OK) fail_msg("%s", fut_trail_message());
}

static void assignments(void **state)
{
    (void)state;
    fut_yaml_node *root = parse("train: {batch: 32}\nloss: triplet\nsampler:\n");
    set(root, "train.batch=64");
    set(root, "train.batch=128");
    set(root, "data.file=a=b.h5");
    set(root, "data.augment=[flip, blur]");
    set(root, "loss.margin=0.2");
    set(root, "sampler.m=4");
    set(root, "miner={type: hard, k: 1}");
    set(root, "run=");
    assert_string_equal(at(at(root, "train"), "batch")->text, "128");
    assert_string_equal(at(at(root, "train"), "batch")->origin, "--set");
    assert_int_equal(at(at(root, "train"), "batch")->line, 0);
    assert_string_equal(at(at(root, "data"), "file")->text, "a=b.h5");
    assert_string_equal(at(at(root, "data"), "augment")->child->next->text, "blur");
    assert_string_equal(at(at(root, "data"), "augment")->child->origin, "--set");
    assert_string_equal(at(at(root, "loss"), "type")->text, "triplet");
    assert_int_equal(at(at(root, "loss"), "type")->line, 2);
    assert_string_equal(at(at(root, "loss"), "margin")->text, "0.2");
    assert_string_equal(at(at(root, "sampler"), "m")->text, "4");
    assert_string_equal(at(at(root, "miner"), "k")->text, "1");
    assert_string_equal(at(root, "run")->text, "");
    assert_true(at(root, "run")->quoted);
    assert_int_equal(fut_yaml_set(root, "data=1"), FUT_ERR_CONFIG);
    assert_non_null(strstr(fut_trail_message(), "would undo the --set of its 'file' that stands before it"));
    fut_trail_clear();
    fut_yaml_destroy(&root);
    root = parse("data: {file: x}\n");
    set(root, "data=1"); /* a value replaces a mapping of the file's */
    assert_int_equal(at(root, "data")->kind, FUT_YAML_SCALAR);
    assert_null(at(root, "data")->child);
    fut_yaml_destroy(&root);
    assert_int_equal(fut_mem_bytes(), 0);
}

static void bad_assignments(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"train", "--set \"train\": write it as name=value, such as train.batch=64"},
        {"=1", "write it as name=value"},
        {".a=1", "write it as name=value"},
        {"a.=1", "write it as name=value"},
        {"a..b=1", "write it as name=value"},
        {"a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a=1", "write it as name=value"},
        {"list.x=1", "list is a list and has no keys"},
        {"a=*x", "--set \"a=*x\":1:3: alias *x"},
        {"a=[1", "did not find expected ',' or ']'"},
        {"a={b: 1, b: 2}", "--set \"a={b: 1, b: 2}\":1:10: key b is here twice"},
        {"a=\xff", "is not UTF-8"},
    };
    fut_yaml_node *root = parse("list: [1]\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fut_trail_clear();
        assert_int_equal(fut_yaml_set(root, rows[i][0]), FUT_ERR_CONFIG);
        if (strstr(fut_trail_message(), rows[i][1]) == NULL) fail_msg("\"%s\" lacks \"%s\"", fut_trail_message(), rows[i][1]);
    }
    fut_yaml_destroy(&root);
    root = parse("[1, 2]\n");
    fut_trail_clear();
    assert_int_equal(fut_yaml_set(root, "a=1"), FUT_ERR_CONFIG);
    assert_non_null(strstr(fut_trail_message(), "the document is a list and has no keys"));
    fut_yaml_destroy(&root);
}

/* Make the k-th allocation fail, for every k: each call ends in FUT_ERR_NO_MEMORY and leaks nothing. */
static void allocation_failures(void **state)
{
    (void)state;
    static const char text[] = "a: 1\nloss: triplet\nb: {c: [1, \"2\"], d: {e: f}}\n";
    int64_t before = fut_mem_bytes();
    int failures = 0;
    for (int64_t k = 1;; k++) {
        fut_yaml_node *root = NULL;
        fut_mem_fail_after(k);
        fut_status st = fut_yaml_parse_text("t.yaml", text, sizeof text - 1, &root);
        if (st == FUT_OK) st = fut_yaml_set(root, "loss.margin={x: [1, 2]}");
        if (st == FUT_OK) st = fut_yaml_set(root, "b.c=");
        fut_mem_fail_after(0);
        fut_yaml_destroy(&root);
        assert_int_equal(fut_mem_bytes(), before);
        if (st == FUT_OK) break;
        assert_int_equal(st, FUT_ERR_NO_MEMORY);
        failures++;
    }
    assert_true(failures > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_configuration),
        cmocka_unit_test(empty_documents_are_empty_mappings),
        cmocka_unit_test(byte_order_mark_and_crlf),
        cmocka_unit_test(refusals_name_place_and_remedy),
        cmocka_unit_test(depth_sixteen_is_accepted),
        cmocka_unit_test(bombs_are_refused_at_once),
        cmocka_unit_test(large_but_legal_is_quick),
        cmocka_unit_test(files),
        cmocka_unit_test(assignments),
        cmocka_unit_test(bad_assignments),
        cmocka_unit_test(allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
