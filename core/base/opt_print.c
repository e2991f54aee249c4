#include "core/base/opt.h"
#include "core/base/opt_impl.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAME_MAX_BYTES = 256 };

/* A size or a time in the unit that gives the smallest exact number, so that it reads back to the same value. */
static fut_status append_bytes(int64_t bytes, fut_str *out)
{
    static const struct {
        const char *name;
        int64_t scale;
    } units[] = {{"TiB", 1LL << 40}, {"TB", 1000000000000}, {"GiB", 1LL << 30}, {"GB", 1000000000},
                 {"MiB", 1LL << 20}, {"MB", 1000000},       {"KiB", 1LL << 10}, {"kB", 1000}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (bytes != 0 && bytes % units[i].scale == 0)
            return fut_str_printf(out, "%lld %s", (long long)(bytes / units[i].scale), units[i].name);
    return fut_str_printf(out, "%lld", (long long)bytes);
}

static fut_status append_seconds(double seconds, fut_str *out)
{
    static const struct {
        const char *name;
        double scale;
    } units[] = {{"d", 86400}, {"h", 3600}, {"min", 60}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        double count = seconds / units[i].scale;
        if (seconds == 0 || count != trunc(count) || count * units[i].scale != seconds) continue;
        FUT_TRY(fut_str_append_f64(out, count));
        return fut_str_printf(out, " %s", units[i].name);
    }
    FUT_TRY(fut_str_append_f64(out, seconds));
    return fut_str_append(out, " s", 2);
}

/* Words that need no quotes anywhere in YAML. */
static bool is_plain(const char *text)
{
    static const char *const reserved[] = {"null", "Null", "NULL", NULL};
    for (int i = 0; reserved[i] != NULL; i++)
        if (strcmp(text, reserved[i]) == 0) return false;
    if (!isalnum((unsigned char)text[0]) && text[0] != '/' && text[0] != '.' && text[0] != '_') return false;
    for (const char *c = text; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && strchr("_./+-", *c) == NULL) return false;
    return true;
}

static fut_status append_flow(const fut_opt *row, const void *field, fut_str *out);

/* "a: 1, b: 2", after a first entry if `comma`. */
static fut_status append_flow_table(const fut_opt *table, const void *config, bool comma, fut_str *out)
{
    for (const fut_opt *row = table; row != NULL && row->kind != FUT_OPT_KIND_END; row++) {
        FUT_TRY(fut_str_printf(out, "%s%s: ", comma ? ", " : "", row->name));
        FUT_TRY(append_flow(row, (const char *)config + row->offset, out));
        comma = true;
    }
    return FUT_OK;
}

static fut_status append_f64_list(const fut_opt_f64_list *list, fut_str *out)
{
    FUT_TRY(fut_str_append(out, "[", 1));
    for (int i = 0; i < list->count; i++) {
        if (i > 0) FUT_TRY(fut_str_append(out, ", ", 2));
        FUT_TRY(fut_str_append_f64(out, list->value[i]));
    }
    return fut_str_append(out, "]", 1);
}

static fut_status append_variant(const fut_opt_variant *variant, fut_str *out)
{
    FUT_TRY(fut_str_printf(out, "{type: %s", variant->choice->name));
    FUT_TRY(append_flow_table(variant->choice->options, variant->config, true, out));
    return fut_str_append(out, "}", 1);
}

static fut_status append_variants(const fut_opt_variants *list, fut_str *out)
{
    FUT_TRY(fut_str_append(out, "[", 1));
    for (int i = 0; i < list->count; i++) {
        if (i > 0) FUT_TRY(fut_str_append(out, ", ", 2));
        FUT_TRY(append_variant(&list->item[i], out));
    }
    return fut_str_append(out, "]", 1);
}

static fut_status append_flow(const fut_opt *row, const void *field, fut_str *out)
{
    switch (row->kind) {
    case FUT_OPT_KIND_I64:
        return fut_str_printf(out, "%lld", (long long)*(const int64_t *)field);
    case FUT_OPT_KIND_F64:
        return fut_str_append_f64(out, *(const double *)field);
    case FUT_OPT_KIND_BOOL:
        return fut_str_printf(out, "%s", *(const bool *)field ? "true" : "false");
    case FUT_OPT_KIND_ENUM:
        return fut_str_printf(out, "%s", row->names[*(const int *)field]);
    case FUT_OPT_KIND_STRING:
        if (is_plain(field)) return fut_str_append(out, field, strlen(field));
        return fut_str_append_json(out, field, strlen(field));
    case FUT_OPT_KIND_BYTES:
        return append_bytes(*(const int64_t *)field, out);
    case FUT_OPT_KIND_DURATION:
        return append_seconds(*(const double *)field, out);
    case FUT_OPT_KIND_F64_LIST:
        return append_f64_list(field, out);
    case FUT_OPT_KIND_TABLE:
        FUT_TRY(fut_str_append(out, "{", 1));
        FUT_TRY(append_flow_table(row->table, field, false, out));
        return fut_str_append(out, "}", 1);
    case FUT_OPT_KIND_VARIANT:
        return append_variant(field, out);
    case FUT_OPT_KIND_VARIANTS:
        return append_variants(field, out);
    case FUT_OPT_KIND_END:
        break;
    }
    return FUT_FAIL(FUT_ERR_INTERNAL, "option %s has the unknown kind %d", row->name, (int)row->kind);
}

static fut_status append_block(const fut_opt *table, const void *config, int indent, fut_str *out)
{
    for (const fut_opt *row = table; row != NULL && row->kind != FUT_OPT_KIND_END; row++) {
        const void *field = (const char *)config + row->offset;
        bool nested = row->kind == FUT_OPT_KIND_TABLE && row->table != NULL && row->table->kind != FUT_OPT_KIND_END;
        FUT_TRY(fut_str_printf(out, "%*s%s:%s", indent, "", row->name, nested ? "\n" : " "));
        if (nested) {
            FUT_TRY(append_block(row->table, field, indent + 2, out));
            continue;
        }
        FUT_TRY(append_flow(row, field, out));
        FUT_TRY(fut_str_append(out, "\n", 1));
    }
    return FUT_OK;
}

fut_status fut_opt_print_yaml(const fut_opt *table, const void *config, fut_str *out)
{
    return append_block(table, config, 0, out);
}

static fut_status append_bound(const fut_opt *row, double bound, fut_str *out)
{
    if (row->kind == FUT_OPT_KIND_BYTES) return append_bytes((int64_t)bound, out);
    if (row->kind == FUT_OPT_KIND_DURATION) return append_seconds(bound, out);
    return fut_str_append_f64(out, bound);
}

fut_status fut_opt_append_range(const fut_opt *row, fut_str *out)
{
    /* Bounds no value can reach are no bounds. */
    bool low = row->min > -1e18;
    bool high = row->max < 1e18;
    if (!low && !high) return fut_str_printf(out, "any");
    if (!high || !low) FUT_TRY(fut_str_printf(out, low ? "at least " : "at most "));
    if (low) FUT_TRY(append_bound(row, row->min, out));
    if (low && high) FUT_TRY(fut_str_append(out, " to ", 4));
    if (high) FUT_TRY(append_bound(row, row->max, out));
    return FUT_OK;
}

/* What a user may write: "whole number, 1 to 100 epochs", "one of cosine, lp". */
static fut_status append_values(const fut_opt *row, fut_str *out)
{
    char words[FUT_OPT_WORDS_MAX];
    switch (row->kind) {
    case FUT_OPT_KIND_I64:
    case FUT_OPT_KIND_F64:
    case FUT_OPT_KIND_F64_LIST:
        FUT_TRY(fut_str_printf(out, "%s, ",
                               row->kind == FUT_OPT_KIND_I64   ? "whole number"
                               : row->kind == FUT_OPT_KIND_F64 ? "number"
                                                               : "list of numbers"));
        FUT_TRY(fut_opt_append_range(row, out));
        return fut_str_printf(out, "%s%s", row->unit[0] != '\0' ? " " : "", row->unit);
    case FUT_OPT_KIND_BYTES:
    case FUT_OPT_KIND_DURATION:
        FUT_TRY(fut_str_printf(out, row->kind == FUT_OPT_KIND_BYTES ? "size, " : "time, "));
        return fut_opt_append_range(row, out);
    case FUT_OPT_KIND_BOOL:
        return fut_str_printf(out, "true or false");
    case FUT_OPT_KIND_STRING:
        return fut_str_printf(out, "text");
    case FUT_OPT_KIND_ENUM:
    case FUT_OPT_KIND_VARIANT:
    case FUT_OPT_KIND_VARIANTS:
        fut_opt_words(row, words);
        return fut_str_printf(out, "%s %s", row->kind == FUT_OPT_KIND_VARIANTS ? "list of" : "one of", words);
    case FUT_OPT_KIND_TABLE:
    case FUT_OPT_KIND_END:
        break;
    }
    return FUT_FAIL(FUT_ERR_INTERNAL, "option %s has the unknown kind %d", row->name, (int)row->kind);
}

static void join_name(const char *prefix, const char *name, const char *end, char joined_out[NAME_MAX_BYTES])
{
    (void)snprintf(joined_out, NAME_MAX_BYTES, "%s%s%s", prefix, name, end);
}

static const char *default_text(const fut_opt *row)
{
    return row->def[0] == '\0' ? "\"\"" : row->def;
}

/* Widths of the name and default columns over a table and all that is inside it. */
static void measure(const fut_opt *table, size_t prefix, size_t *name_width, size_t *default_width)
{
    for (const fut_opt *row = table; row != NULL && row->kind != FUT_OPT_KIND_END; row++) {
        size_t name = prefix + strlen(row->name);
        if (row->kind == FUT_OPT_KIND_TABLE) {
            measure(row->table, name + 1, name_width, default_width);
            continue;
        }
        if (name > *name_width) *name_width = name;
        if (strlen(default_text(row)) > *default_width) *default_width = strlen(default_text(row));
        for (int i = 0; row->choices != NULL && row->choices[i] != NULL; i++)
            measure(row->choices[i]->options, name + 1, name_width, default_width);
    }
}

static fut_status help_rows(const fut_opt *table, const char *prefix, int indent, int name_width, int default_width, fut_str *out)
{
    char name[NAME_MAX_BYTES];
    for (const fut_opt *row = table; row != NULL && row->kind != FUT_OPT_KIND_END; row++) {
        join_name(prefix, row->name, row->kind == FUT_OPT_KIND_TABLE ? "." : "", name);
        if (row->kind == FUT_OPT_KIND_TABLE) {
            FUT_TRY(help_rows(row->table, name, indent, name_width, default_width, out));
            continue;
        }
        FUT_TRY(fut_str_printf(out, "%*s%-*s  %-*s  %s (", indent, "", name_width, name, default_width, default_text(row), row->doc));
        FUT_TRY(append_values(row, out));
        FUT_TRY(fut_str_append(out, ")\n", 2));
        join_name(prefix, row->name, ".", name);
        for (int i = 0; row->choices != NULL && row->choices[i] != NULL; i++) {
            const fut_opt_choice *choice = row->choices[i];
            FUT_TRY(fut_str_printf(out, "%*s%s: %s\n", indent + 2, "", choice->name, choice->doc));
            FUT_TRY(help_rows(choice->options, name, indent + 4, name_width, default_width, out));
        }
    }
    return FUT_OK;
}

fut_status fut_opt_print_help(const fut_opt *table, const char *prefix, fut_str *out)
{
    size_t name_width = 0;
    size_t default_width = 0;
    measure(table, strlen(prefix), &name_width, &default_width);
    return help_rows(table, prefix, 2, (int)name_width, (int)default_width, out);
}

static fut_status markdown_rows(const fut_opt *table, const char *prefix, fut_str *out)
{
    char name[NAME_MAX_BYTES];
    for (const fut_opt *row = table; row != NULL && row->kind != FUT_OPT_KIND_END; row++) {
        join_name(prefix, row->name, row->kind == FUT_OPT_KIND_TABLE ? "." : "", name);
        if (row->kind == FUT_OPT_KIND_TABLE) {
            FUT_TRY(markdown_rows(row->table, name, out));
            continue;
        }
        FUT_TRY(fut_str_printf(out, "| `%s` | `%s` | ", name, default_text(row)));
        FUT_TRY(append_values(row, out));
        FUT_TRY(fut_str_printf(out, " | %s |\n", row->doc));
    }
    return FUT_OK;
}

static fut_status markdown_table(const fut_opt *table, const char *prefix, fut_str *out);

/* One table a type, for every variant inside `table`. */
static fut_status markdown_variants(const fut_opt *table, const char *prefix, fut_str *out)
{
    char name[NAME_MAX_BYTES];
    for (const fut_opt *row = table; row != NULL && row->kind != FUT_OPT_KIND_END; row++) {
        join_name(prefix, row->name, ".", name);
        if (row->kind == FUT_OPT_KIND_TABLE) FUT_TRY(markdown_variants(row->table, name, out));
        for (int i = 0; row->choices != NULL && row->choices[i] != NULL; i++) {
            const fut_opt_choice *choice = row->choices[i];
            FUT_TRY(fut_str_printf(out, "\n**`%stype: %s`**: %s\n", name, choice->name, choice->doc));
            FUT_TRY(markdown_table(choice->options, name, out));
        }
    }
    return FUT_OK;
}

static fut_status markdown_table(const fut_opt *table, const char *prefix, fut_str *out)
{
    if (table == NULL || table->kind == FUT_OPT_KIND_END) return FUT_OK;
    FUT_TRY(fut_str_printf(out, "\n| option | default | values | meaning |\n|---|---|---|---|\n"));
    FUT_TRY(markdown_rows(table, prefix, out));
    return markdown_variants(table, prefix, out);
}

fut_status fut_opt_print_markdown(const fut_opt *table, const char *prefix, fut_str *out)
{
    return markdown_table(table, prefix, out);
}
