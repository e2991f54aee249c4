#include "core/base/opt.h"

#include "core/base/mem.h"
#include "core/base/opt_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The dotted path of what is being loaded, innermost first; lives on the stack of the recursion. */
typedef struct scope {
    const struct scope *outer;
    const char *name;
} scope;

static size_t write_path(const scope *at, char *path_out, size_t max)
{
    size_t used = at->outer == NULL ? 0 : write_path(at->outer, path_out, max);
    int wrote = snprintf(path_out + used, max - used, "%s%s", used > 0 ? "." : "", at->name);
    used += wrote < 0 ? 0 : (size_t)wrote;
    return used < max ? used : max - 1;
}

/* "lfw.yaml:12:11: loss.margin: <text>". */
#define REFUSE(at, node, ...) refuse_at(at, (node)->origin, (node)->line, (node)->column, __LINE__, __VA_ARGS__)
#define REFUSE_KEY(at, node, ...) refuse_at(at, (node)->origin, (node)->key_line, (node)->key_column, __LINE__, __VA_ARGS__)

static fut_status refuse_at(const scope *at, const char *origin, int line, int column, int code_line, const char *fmt, ...)
    FUT_PRINTF(6, 7);

static fut_status refuse_at(const scope *at, const char *origin, int line, int column, int code_line, const char *fmt, ...)
{
    char text[1024];
    char path[256] = "";
    char place[32] = "";
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    (void)write_path(at, path, sizeof path);
    if (line > 0) (void)snprintf(place, sizeof place, ":%d:%d", line, column);
    return fut_trail_record(FUT_ERR_CONFIG, __FILE__, code_line, "%s%s: %s%s%s", origin, place, path, path[0] != '\0' ? ": " : "", text);
}

void fut_opt_words(const fut_opt *row, char words_out[FUT_OPT_WORDS_MAX])
{
    size_t used = 0;
    words_out[0] = '\0';
    for (int i = 0; used < FUT_OPT_WORDS_MAX; i++) {
        const char *word = row->choices == NULL ? row->names[i] : row->choices[i] != NULL ? row->choices[i]->name : NULL;
        if (word == NULL) break;
        used += (size_t)snprintf(words_out + used, FUT_OPT_WORDS_MAX - used, "%s%s", i > 0 ? ", " : "", word);
    }
}

static bool is_nothing(const fut_yaml_node *node)
{
    return node->kind == FUT_YAML_SCALAR && !node->quoted && node->text[0] == '\0';
}

/* "found X, expected Y". */
static fut_status wrong_type(const fut_opt *row, const fut_yaml_node *node, const scope *at)
{
    static const char *const expected[] = {
        [FUT_OPT_KIND_I64] = "a whole number",
        [FUT_OPT_KIND_F64] = "a number such as 0.5 or 1e-4",
        [FUT_OPT_KIND_BOOL] = "true or false",
        [FUT_OPT_KIND_ENUM] = "one word",
        [FUT_OPT_KIND_STRING] = "a text; write \"\" for an empty one",
        [FUT_OPT_KIND_BYTES] = "a size such as 64 MiB",
        [FUT_OPT_KIND_DURATION] = "a time such as 30 s or 5 min",
        [FUT_OPT_KIND_F64_LIST] = "a list of numbers such as [0.8, 0.2]",
        [FUT_OPT_KIND_TABLE] = "a mapping of options",
        [FUT_OPT_KIND_VARIANT] = "a type, or {type: name, option: value}",
        [FUT_OPT_KIND_VARIANTS] = "a list of types such as [a, {type: b, option: value}], or []",
    };
    char found[80];
    if (node->kind != FUT_YAML_SCALAR)
        (void)snprintf(found, sizeof found, "%s", node->kind == FUT_YAML_MAPPING ? "a mapping" : "a list");
    else if (is_nothing(node))
        (void)snprintf(found, sizeof found, "nothing");
    else
        (void)snprintf(found, sizeof found, node->quoted ? "\"%.48s\" in quotes" : "%.48s", node->text);
    return REFUSE(at, node, "found %s, expected %s", found, expected[row->kind]);
}

static fut_status unknown_word(const fut_opt *row, const fut_yaml_node *node, const scope *at)
{
    const char *names[256] = {0};
    char words[FUT_OPT_WORDS_MAX];
    fut_opt_words(row, words);
    size_t n = 0;
    for (; row->choices != NULL && row->choices[n] != NULL && n + 1 < sizeof names / sizeof *names; n++)
        names[n] = row->choices[n]->name;
    const char *near = fut_str_nearest(node->text, row->choices != NULL ? names : row->names);
    if (near != NULL) return REFUSE(at, node, "found %.48s, did you mean %s? It is one of: %s", node->text, near, words);
    return REFUSE(at, node, "found %.48s, expected one of: %s", node->text, words);
}

static fut_status check_range(const fut_opt *row, double value, const fut_yaml_node *node, const scope *at)
{
    if (value >= row->min && value <= row->max) return FUT_OK;
    fut_status st = FUT_OK;
    fut_str range = {0};
    bool quantity = row->kind == FUT_OPT_KIND_BYTES || row->kind == FUT_OPT_KIND_DURATION; /* their bounds carry a unit already */
    FUT_TRY_GOTO(fut_opt_append_range(row, &range), out);
    st = REFUSE(at, node, "found %.48s, must be %s%s%s", node->text, range.data, quantity || row->unit[0] == '\0' ? "" : " ",
                quantity ? "" : row->unit);
out:
    fut_str_fini(&range);
    return st;
}

static int find_word(const char *const *names, const char *word)
{
    for (int i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], word) == 0) return i;
    return -1;
}

static fut_status load_number(const fut_opt *row, void *field, const fut_yaml_node *node, const scope *at)
{
    int64_t whole = 0;
    double real = 0;
    bool good = false;
    bool is_whole = row->kind == FUT_OPT_KIND_I64 || row->kind == FUT_OPT_KIND_BYTES;
    if (row->kind == FUT_OPT_KIND_I64) good = !node->quoted && fut_str_to_i64(node->text, &whole);
    if (row->kind == FUT_OPT_KIND_F64) good = !node->quoted && fut_str_to_f64(node->text, &real);
    if (row->kind == FUT_OPT_KIND_BYTES) good = fut_str_to_bytes(node->text, &whole);
    if (row->kind == FUT_OPT_KIND_DURATION) good = fut_str_to_seconds(node->text, &real);
    if (!good) return wrong_type(row, node, at);
    FUT_TRY(check_range(row, is_whole ? (double)whole : real, node, at));
    if (is_whole)
        *(int64_t *)field = whole;
    else
        *(double *)field = real;
    return FUT_OK;
}

static fut_status load_bool(const fut_opt *row, bool *field, const fut_yaml_node *node, const scope *at)
{
    bool yes = strcmp(node->text, "true") == 0;
    if (node->quoted || (!yes && strcmp(node->text, "false") != 0)) return wrong_type(row, node, at);
    *field = yes;
    return FUT_OK;
}

static fut_status load_enum(const fut_opt *row, int *field, const fut_yaml_node *node, const scope *at)
{
    if (is_nothing(node)) return wrong_type(row, node, at);
    int index = find_word(row->names, node->text);
    if (index < 0) return unknown_word(row, node, at);
    *field = index;
    return FUT_OK;
}

static fut_status load_string(const fut_opt *row, char *field, const fut_yaml_node *node, const scope *at)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    size_t length = strlen(node->text);
    if (!node->quoted && find_word(nulls, node->text) >= 0) return wrong_type(row, node, at);
    if (length >= FUT_OPT_STRING_MAX) return REFUSE(at, node, "found %zu bytes, at most %d fit", length, FUT_OPT_STRING_MAX - 1);
    memset(field, 0, FUT_OPT_STRING_MAX);
    memcpy(field, node->text, length);
    return FUT_OK;
}

/* A list of at most FUT_OPT_LIST_MAX elements. */
static fut_status check_list(const fut_opt *row, const fut_yaml_node *node, const scope *at)
{
    if (node->kind != FUT_YAML_SEQUENCE) return wrong_type(row, node, at);
    int count = 0;
    for (const fut_yaml_node *item = node->child; item != NULL; item = item->next)
        if (++count > FUT_OPT_LIST_MAX) return REFUSE(at, item, "more than %d entries", FUT_OPT_LIST_MAX);
    return FUT_OK;
}

static fut_status load_f64_list(const fut_opt *row, fut_opt_f64_list *field, const fut_yaml_node *node, const scope *at)
{
    fut_opt_f64_list list = {0};
    FUT_TRY(check_list(row, node, at));
    for (const fut_yaml_node *item = node->child; item != NULL; item = item->next) {
        double value = 0;
        if (item->kind != FUT_YAML_SCALAR || item->quoted || !fut_str_to_f64(item->text, &value)) return wrong_type(row, item, at);
        FUT_TRY(check_range(row, value, item, at));
        list.value[list.count++] = value;
    }
    *field = list;
    return FUT_OK;
}

static fut_status load_table(const fut_opt *table, void *config, const fut_yaml_node *node, const fut_opt_variant *variant,
                             const fut_opt *variant_row, const scope *at);
static fut_status fill_defaults(const fut_opt *table, void *config, const scope *at);

static const fut_yaml_node *type_of(const fut_yaml_node *mapping)
{
    for (const fut_yaml_node *entry = mapping->child; entry != NULL; entry = entry->next)
        if (strcmp(entry->key, "type") == 0) return entry;
    return NULL;
}

static void fini_variant(fut_opt_variant *variant)
{
    if (variant->config != NULL) fut_opt_fini(variant->choice->options, variant->config);
    fut_mem_free(variant->config);
    *variant = (fut_opt_variant){0};
}

static fut_status load_variant(const fut_opt *row, fut_opt_variant *field, const fut_yaml_node *node, const scope *at)
{
    if (node->kind == FUT_YAML_SEQUENCE || is_nothing(node)) return wrong_type(row, node, at);
    const fut_yaml_node *type = node->kind == FUT_YAML_SCALAR ? node : type_of(node);
    const fut_opt_choice *choice = field->choice;
    if (type != NULL) {
        if (type->kind != FUT_YAML_SCALAR || is_nothing(type)) return wrong_type(row, type, at);
        choice = NULL;
        for (int i = 0; choice == NULL && row->choices[i] != NULL; i++)
            if (strcmp(row->choices[i]->name, type->text) == 0) choice = row->choices[i];
        if (choice == NULL) return unknown_word(row, type, at);
    }
    if (choice == NULL) return REFUSE(at, node, "no type; write {type: name}");

    fut_status st = FUT_OK;
    fut_opt_variant fresh = {.choice = choice};
    if (choice != field->choice) {
        FUT_TRY_GOTO(fut_mem_alloc(1, choice->config_size, &fresh.config), out);
        FUT_TRY_GOTO(fill_defaults(choice->options, fresh.config, at), out);
    }
    if (node->kind == FUT_YAML_MAPPING)
        FUT_TRY_GOTO(load_table(choice->options, fresh.config != NULL ? fresh.config : field->config, node, &fresh, row, at), out);
    if (choice != field->choice) {
        fut_opt_variant old = *field;
        *field = fresh;
        fresh = old;
    }
out:
    fini_variant(&fresh);
    return st;
}

static void fini_variants(fut_opt_variants *list)
{
    for (int i = 0; i < list->count; i++)
        fini_variant(&list->item[i]);
    list->count = 0;
}

static fut_status load_variants(const fut_opt *row, fut_opt_variants *field, const fut_yaml_node *node, const scope *at)
{
    fut_status st = FUT_OK;
    fut_opt_variants list = {0};
    FUT_TRY(check_list(row, node, at));
    for (const fut_yaml_node *item = node->child; item != NULL; item = item->next) {
        fut_opt_variant *fresh = &list.item[list.count];
        FUT_TRY_GOTO(load_variant(row, fresh, item, at), out);
        list.count++;
        for (const fut_opt_variant *before = list.item; before < fresh; before++) {
            if (before->choice != fresh->choice) continue;
            st = REFUSE(at, item, "%s is in the list twice", fresh->choice->name);
            goto out;
        }
    }
    fut_opt_variants old = *field;
    *field = list;
    list = old;
out:
    fini_variants(&list);
    return st;
}

static fut_status load_value(const fut_opt *row, void *field, const fut_yaml_node *node, const scope *at)
{
    bool one_word = row->kind <= FUT_OPT_KIND_DURATION;
    if (one_word && node->kind != FUT_YAML_SCALAR) return wrong_type(row, node, at);
    switch (row->kind) {
    case FUT_OPT_KIND_I64:
    case FUT_OPT_KIND_F64:
    case FUT_OPT_KIND_BYTES:
    case FUT_OPT_KIND_DURATION:
        return load_number(row, field, node, at);
    case FUT_OPT_KIND_BOOL:
        return load_bool(row, field, node, at);
    case FUT_OPT_KIND_ENUM:
        return load_enum(row, field, node, at);
    case FUT_OPT_KIND_STRING:
        return load_string(row, field, node, at);
    case FUT_OPT_KIND_F64_LIST:
        return load_f64_list(row, field, node, at);
    case FUT_OPT_KIND_VARIANT:
        return load_variant(row, field, node, at);
    case FUT_OPT_KIND_VARIANTS:
        return load_variants(row, field, node, at);
    case FUT_OPT_KIND_TABLE:
        /* `train:` with all its lines commented out. */
        if (is_nothing(node)) return FUT_OK;
        if (node->kind != FUT_YAML_MAPPING) return wrong_type(row, node, at);
        return load_table(row->table, field, node, NULL, NULL, at);
    case FUT_OPT_KIND_END:
        break;
    }
    return FUT_FAIL(FUT_ERR_INTERNAL, "option %s has the unknown kind %d", row->name, (int)row->kind);
}

static const fut_opt *find_row(const fut_opt *table, const char *name)
{
    for (const fut_opt *row = table; row != NULL && row->kind != FUT_OPT_KIND_END; row++)
        if (strcmp(row->name, name) == 0) return row;
    return NULL;
}

/* `--set loss.type=x` leaves the options that the file gave its own type. */
static bool type_was_changed(const fut_yaml_node *node, const fut_yaml_node *entry)
{
    for (const fut_yaml_node *child = node->child; child != NULL; child = child->next)
        if (strcmp(child->key, "type") == 0) return strcmp(child->origin, entry->origin) != 0;
    return false;
}

static fut_status unknown_key(const fut_opt *table, const fut_yaml_node *node, const fut_yaml_node *entry, const fut_opt_variant *variant,
                              const fut_opt *variant_row, const scope *at)
{
    const char *names[256] = {0};
    size_t n = 0;
    char known[FUT_OPT_WORDS_MAX] = "";
    for (const fut_opt *row = table; row != NULL && row->kind != FUT_OPT_KIND_END && n + 1 < sizeof names / sizeof *names; row++)
        names[n++] = row->name;
    fut_opt_words(&(fut_opt){.kind = FUT_OPT_KIND_ENUM, .names = names}, known);
    const char *near = fut_str_nearest(entry->key, names);
    const char *owner = variant == NULL ? "" : variant->choice->name;
    const char *unknown = variant == NULL ? "unknown key" : " has no such option";
    if (near != NULL) return REFUSE_KEY(at, entry, "%s%s; did you mean %s?", owner, unknown, near);
    for (int i = 0; variant_row != NULL && variant_row->choices[i] != NULL; i++) {
        const fut_opt_choice *other = variant_row->choices[i];
        if (find_row(other->options, entry->key) == NULL) continue;
        if (type_was_changed(node, entry))
            return REFUSE_KEY(at, entry, "%s%s, %s has; replace all of them: --set %s=%s", owner, unknown, other->name, variant_row->name,
                              owner);
        return REFUSE_KEY(at, entry, "%s%s, %s has; remove it or choose that type", owner, unknown, other->name);
    }
    if (n == 0) return REFUSE_KEY(at, entry, "%s%s; it has none", owner, unknown);
    return REFUSE_KEY(at, entry, "%s%s; the known ones are %s", owner, unknown, known);
}

/* Overlay a mapping; that of a variant has the key `type` too, which its caller has read. */
static fut_status load_table(const fut_opt *table, void *config, const fut_yaml_node *node, const fut_opt_variant *variant,
                             const fut_opt *variant_row, const scope *at)
{
    for (const fut_yaml_node *entry = node->child; entry != NULL; entry = entry->next) {
        if (variant != NULL && strcmp(entry->key, "type") == 0) continue;
        scope inner = {at, entry->key};
        const fut_opt *row = find_row(table, entry->key);
        if (row == NULL) return unknown_key(table, node, entry, variant, variant_row, &inner);
        FUT_TRY(load_value(row, (char *)config + row->offset, entry, &inner));
    }
    return FUT_OK;
}

static fut_status apply_default(const fut_opt *row, void *field, const scope *at)
{
    fut_status st = FUT_OK;
    fut_yaml_node *tree = NULL;
    fut_str text = {0};
    bool structured = row->kind == FUT_OPT_KIND_F64_LIST || row->choices != NULL;
    if (structured) {
        FUT_TRY_GOTO(fut_yaml_parse_text("default", row->def, strlen(row->def), &tree), out);
        FUT_TRY_GOTO(load_value(row, field, tree, at), out);
    } else {
        FUT_TRY_GOTO(fut_str_append(&text, row->def, strlen(row->def)), out);
        fut_yaml_node node = {.kind = FUT_YAML_SCALAR, .origin = "default", .text = text.data, .quoted = row->kind == FUT_OPT_KIND_STRING};
        FUT_TRY_GOTO(load_value(row, field, &node, at), out);
    }
out:
    fut_yaml_destroy(&tree);
    fut_str_fini(&text);
    return st;
}

static fut_status fill_defaults(const fut_opt *table, void *config, const scope *at)
{
    for (const fut_opt *row = table; row != NULL && row->kind != FUT_OPT_KIND_END; row++) {
        scope inner = {at, row->name};
        void *field = (char *)config + row->offset;
        if (row->kind == FUT_OPT_KIND_TABLE)
            FUT_TRY(fill_defaults(row->table, field, &inner));
        else
            FUT_TRY(apply_default(row, field, &inner));
    }
    return FUT_OK;
}

fut_status fut_opt_defaults(const fut_opt *table, void *config)
{
    fut_status st = fill_defaults(table, config, &(scope){NULL, ""});
    if (st != FUT_OK) fut_opt_fini(table, config);
    return st;
}

fut_status fut_opt_load(const fut_opt *table, void *config, const fut_yaml_node *node)
{
    fut_opt whole = {.kind = FUT_OPT_KIND_TABLE, .name = "", .table = table};
    return load_value(&whole, config, node, &(scope){NULL, ""});
}

void fut_opt_fini(const fut_opt *table, void *config)
{
    for (const fut_opt *row = table; row != NULL && row->kind != FUT_OPT_KIND_END; row++) {
        void *field = (char *)config + row->offset;
        if (row->kind == FUT_OPT_KIND_TABLE) fut_opt_fini(row->table, field);
        if (row->kind == FUT_OPT_KIND_VARIANT) fini_variant(field);
        if (row->kind == FUT_OPT_KIND_VARIANTS) fini_variants(field);
    }
}
