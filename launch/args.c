#include "launch/args.h"

#include "core/base/mem.h"
#include "core/base/str.h"

#include <stdio.h>
#include <string.h>

enum { WORD_BYTES = 64, HELP_COLUMN = 28, HELP_WIDTH = 100, NAMES_MAX = 64 };

/* What was given for one row of the table. */
typedef struct given {
    const char **value; /* [n], borrowed from argv */
    int n;
} given;

struct fut_args {
    const fut_arg *table;
    int rows;
    given *given;       /* [rows] */
    const char **value; /* room of all values: [rows][argc] */
};

static bool is_operand(const fut_arg *row)
{
    return row->kind == FUT_ARG_KIND_POSITIONAL || row->kind == FUT_ARG_KIND_OPTIONAL || row->kind == FUT_ARG_KIND_REST;
}

static bool takes_value(const fut_arg *row)
{
    return row->kind == FUT_ARG_KIND_VALUE || row->kind == FUT_ARG_KIND_REPEATED;
}

static bool may_repeat(const fut_arg *row)
{
    return row->kind == FUT_ARG_KIND_REPEATED || row->kind == FUT_ARG_KIND_REST;
}

/* ---- help ---- */

/* Text from column `column` on, wrapped at HELP_WIDTH with that indentation. */
static void print_wrapped(const char *text, int at, int column)
{
    while (*text != '\0') {
        int length = (int)strcspn(text, " \n");
        if (at > column && at + 1 + length > HELP_WIDTH) {
            (void)printf("\n%*s", column, "");
            at = column;
        } else if (at > column) {
            (void)putchar(' ');
            at++;
        }
        (void)printf("%.*s", length, text);
        at += length;
        text += length;
        while (*text == ' ' || *text == '\n')
            text++;
    }
    (void)putchar('\n');
}

static void print_row(const fut_arg *row)
{
    char left[160];
    char letter[8] = "    ";
    char doc[512];
    if (row->letter != 0) (void)snprintf(letter, sizeof letter, "-%c, ", row->letter);
    if (is_operand(row))
        (void)snprintf(left, sizeof left, "  %s", row->name);
    else
        (void)snprintf(left, sizeof left, "  %s--%s%s%s", letter, row->name, takes_value(row) ? " " : "",
                       takes_value(row) ? row->value : "");
    (void)snprintf(doc, sizeof doc, "%s%s%s%s", row->doc, row->def != NULL ? " (default " : "", row->def != NULL ? row->def : "",
                   row->def != NULL ? ")" : "");
    int at = printf("%s", left);
    if (at + 2 > HELP_COLUMN) {
        (void)putchar('\n');
        at = 0;
    }
    (void)printf("%*s", HELP_COLUMN - at, "");
    print_wrapped(doc, HELP_COLUMN, HELP_COLUMN);
}

static void print_usage(const fut_arg *table, const char *command, FILE *to)
{
    (void)fprintf(to, "usage: futago %s [options]", command);
    for (const fut_arg *row = table; row->kind != FUT_ARG_KIND_END; row++) {
        if (row->kind == FUT_ARG_KIND_POSITIONAL) (void)fprintf(to, " %s", row->name);
        if (row->kind == FUT_ARG_KIND_OPTIONAL) (void)fprintf(to, " [%s]", row->name);
        if (row->kind == FUT_ARG_KIND_REST) (void)fprintf(to, " [%s ...]", row->name);
    }
    (void)fputc('\n', to);
}

static void print_help(const fut_arg *table, const char *command, const char *intro)
{
    static const fut_arg help = FUT_ARG_FLAG('h', "help", "this text");
    print_usage(table, command, stdout);
    if (intro != NULL) (void)printf("\n%s\n", intro);
    (void)putchar('\n');
    for (const fut_arg *row = table; row->kind != FUT_ARG_KIND_END; row++)
        print_row(row);
    print_row(&help);
}

/* ---- parsing ---- */

static int find_letter(const fut_args *args, char letter)
{
    for (int i = 0; i < args->rows; i++)
        if (!is_operand(&args->table[i]) && args->table[i].letter != 0 && args->table[i].letter == letter) return i;
    return -1;
}

static int find_name(const fut_args *args, const char *name, size_t length)
{
    for (int i = 0; i < args->rows; i++)
        if (strlen(args->table[i].name) == length && strncmp(args->table[i].name, name, length) == 0) return i;
    return -1;
}

static fut_status unknown_option(const fut_args *args, const char *command, const char *option)
{
    const char *names[NAMES_MAX] = {"help"};
    char name[WORD_BYTES];
    int n = 1;
    for (int i = 0; i < args->rows && n < NAMES_MAX - 1; i++)
        if (!is_operand(&args->table[i])) names[n++] = args->table[i].name;
    names[n] = NULL;
    (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(option, "="), option);
    const char *nearest = option[0] == '-' && option[1] == '-' ? fut_str_nearest(name + 2, names) : NULL;
    if (nearest != NULL) return FUT_FAIL(FUT_ERR_USAGE, "futago %s has no option %s; did you mean --%s?", command, name, nearest);
    return FUT_FAIL(FUT_ERR_USAGE, "futago %s has no option %s; futago %s --help lists them", command, name, command);
}

/* The `index`-th word of "a|b|c" into word_out; false when there is none. */
static bool word_at(const char *words, int index, char word_out[WORD_BYTES])
{
    for (; index > 0; index--) {
        words = strchr(words, '|');
        if (words == NULL) return false;
        words++;
    }
    (void)snprintf(word_out, WORD_BYTES, "%.*s", (int)strcspn(words, "|"), words);
    return true;
}

/* Place of value among the row's words, or -1. */
static int find_word(const fut_arg *row, const char *value)
{
    char word[WORD_BYTES];
    for (int i = 0; word_at(row->value, i, word); i++)
        if (strcmp(word, value) == 0) return i;
    return -1;
}

static fut_status accept(fut_args *args, int row, int argc, const char *value)
{
    const fut_arg *arg = &args->table[row];
    given *g = &args->given[row];
    if (takes_value(arg) && strchr(arg->value, '|') != NULL && find_word(arg, value) < 0)
        return FUT_FAIL(FUT_ERR_USAGE, "--%s is \"%s\", must be one of %s", arg->name, value, arg->value);
    if (g->value == NULL) g->value = args->value + (size_t)row * (size_t)argc;
    if (!may_repeat(arg)) g->n = 0;
    g->value[g->n++] = value;
    return FUT_OK;
}

/* One option at argv[*at]; *at moves to its last word. */
static fut_status parse_option(fut_args *args, int argc, char **argv, int *at)
{
    const char *word = argv[*at];
    bool is_long = word[1] == '-';
    size_t length = is_long ? strcspn(word + 2, "=") : 1;
    int row = is_long ? find_name(args, word + 2, length) : find_letter(args, word[1]);
    if (row < 0 || is_operand(&args->table[row])) return unknown_option(args, argv[0], word);
    const fut_arg *arg = &args->table[row];
    const char *rest = is_long ? word + 2 + length : word + 2; /* "=value", "value" of -xvalue, or "" */
    if (is_long && *rest == '=') rest++;
    bool attached = is_long ? word[2 + length] == '=' : *rest != '\0';
    if (!takes_value(arg)) {
        FUT_CHECK(!attached, FUT_ERR_USAGE, "--%s takes no value, found \"%s\"", arg->name, word);
        return accept(args, row, argc, "");
    }
    if (attached) return accept(args, row, argc, rest);
    FUT_CHECK(*at + 1 < argc, FUT_ERR_USAGE, "--%s needs a value: %s", arg->name, arg->value);
    return accept(args, row, argc, argv[++*at]);
}

static fut_status parse_operand(fut_args *args, int argc, char **argv, const char *word)
{
    for (int i = 0; i < args->rows; i++) {
        if (!is_operand(&args->table[i])) continue;
        if (args->given[i].n == 0 || may_repeat(&args->table[i])) return accept(args, i, argc, word);
    }
    return FUT_FAIL(FUT_ERR_USAGE, "futago %s: \"%s\" is one operand too many; futago %s --help shows what it takes", argv[0], word,
                    argv[0]);
}

static fut_status parse_all(fut_args *args, int argc, char **argv)
{
    bool options_end = false;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (!options_end && strcmp(word, "--") == 0)
            options_end = true;
        else if (!options_end && word[0] == '-' && word[1] != '\0')
            FUT_TRY(parse_option(args, argc, argv, &i));
        else
            FUT_TRY(parse_operand(args, argc, argv, word));
    }
    for (int i = 0; i < args->rows; i++)
        FUT_CHECK(args->table[i].kind != FUT_ARG_KIND_POSITIONAL || args->given[i].n > 0, FUT_ERR_USAGE,
                  "futago %s needs %s: %s; futago %s --help shows what it takes", argv[0], args->table[i].name, args->table[i].doc,
                  argv[0]);
    return FUT_OK;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return true;
    return false;
}

fut_status fut_args_parse(const fut_arg *table, const char *intro, int argc, char **argv, fut_args **args_out)
{
    fut_status st = FUT_OK;
    fut_args *args = NULL;
    *args_out = NULL;
    if (asks_for_help(argc, argv)) {
        print_help(table, argv[0], intro);
        return FUT_OK;
    }
    FUT_TRY_GOTO(FUT_NEW(&args), out);
    args->table = table;
    while (table[args->rows].kind != FUT_ARG_KIND_END)
        args->rows++;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(args->rows, &args->given), out);
    FUT_TRY_GOTO(fut_mem_alloc((size_t)args->rows * (size_t)argc, sizeof *args->value, (void **)&args->value), out);
    FUT_TRY_GOTO(parse_all(args, argc, argv), out);
    *args_out = args;
    args = NULL;
out:
    fut_args_destroy(&args);
    return st;
}

void fut_args_destroy(fut_args **args)
{
    if (*args == NULL) return;
    fut_mem_free((void *)(*args)->value);
    fut_mem_free((*args)->given);
    fut_mem_free(*args);
    *args = NULL;
}

/* ---- reading ---- */

static int row_of(const fut_args *args, const char *name)
{
    return find_name(args, name, strlen(name));
}

const char *fut_args_get(const fut_args *args, const char *name)
{
    int row = row_of(args, name);
    if (row < 0) return NULL;
    const given *g = &args->given[row];
    return g->n > 0 ? g->value[g->n - 1] : args->table[row].def;
}

bool fut_args_is_given(const fut_args *args, const char *name)
{
    return fut_args_count(args, name) > 0;
}

int fut_args_count(const fut_args *args, const char *name)
{
    int row = row_of(args, name);
    return row < 0 ? 0 : args->given[row].n;
}

const char *fut_args_get_at(const fut_args *args, const char *name, int i)
{
    int row = row_of(args, name);
    return row < 0 || i < 0 || i >= args->given[row].n ? NULL : args->given[row].value[i];
}

/* The value, which must be there. */
static fut_status get_text(const fut_args *args, const char *name, const char **text_out)
{
    FUT_CHECK(row_of(args, name) >= 0, FUT_ERR_INTERNAL, "the command line has no option %s", name);
    *text_out = fut_args_get(args, name);
    FUT_CHECK(*text_out != NULL, FUT_ERR_USAGE, "--%s is missing: %s", name, args->table[row_of(args, name)].doc);
    return FUT_OK;
}

fut_status fut_args_get_i64(const fut_args *args, const char *name, int64_t min, int64_t max, int64_t *value_out)
{
    const char *text = NULL;
    int64_t value = 0;
    FUT_TRY(get_text(args, name, &text));
    FUT_CHECK(fut_str_to_i64(text, &value) && value >= min && value <= max, FUT_ERR_USAGE,
              "--%s is \"%s\", must be a whole number from %lld to %lld", name, text, (long long)min, (long long)max);
    *value_out = value;
    return FUT_OK;
}

fut_status fut_args_get_f64(const fut_args *args, const char *name, double min, double max, double *value_out)
{
    const char *text = NULL;
    double value = 0;
    FUT_TRY(get_text(args, name, &text));
    FUT_CHECK(fut_str_to_f64(text, &value) && value >= min && value <= max, FUT_ERR_USAGE, "--%s is \"%s\", must be a number from %g to %g",
              name, text, min, max);
    *value_out = value;
    return FUT_OK;
}

fut_status fut_args_get_word(const fut_args *args, const char *name, int *index_out)
{
    const char *text = NULL;
    FUT_TRY(get_text(args, name, &text));
    *index_out = find_word(&args->table[row_of(args, name)], text);
    FUT_CHECK(*index_out >= 0, FUT_ERR_INTERNAL, "default \"%s\" of --%s is not one of its words", text, name);
    return FUT_OK;
}
