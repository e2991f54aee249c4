/* Command lines.
 *
 *     static const fut_arg args[] = {
 *         FUT_ARG_POSITIONAL("DIR", "folder of photos"),
 *         FUT_ARG_VALUE('o', "output", "FILE", NULL, "file to write"),
 *         FUT_ARG_FLAG('f', "force", "replace FILE if it exists"),
 *         FUT_ARG_END,
 *     };
 *
 * Accepted: --name VALUE, --name=VALUE, -x VALUE, -xVALUE, "--" before operands that begin with a dash. The one table also prints --help.
 */
#ifndef FUT_LAUNCH_ARGS_H
#define FUT_LAUNCH_ARGS_H

#include "core/base/status.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum fut_arg_kind {
    FUT_ARG_KIND_END,
    FUT_ARG_KIND_POSITIONAL, /* required operand, in table order */
    FUT_ARG_KIND_OPTIONAL,   /* operand that may be left out; after the required ones */
    FUT_ARG_KIND_REST,       /* zero or more further operands; last */
    FUT_ARG_KIND_VALUE,      /* option with a value; the last one given wins */
    FUT_ARG_KIND_REPEATED,   /* option with a value that may be given many times (--set) */
    FUT_ARG_KIND_FLAG
} fut_arg_kind;

typedef struct fut_arg {
    fut_arg_kind kind;
    char letter;       /* 0 = none */
    const char *name;  /* long name without dashes; an operand's word in capitals */
    const char *value; /* word for the value, e.g. "N" or "raw|original"; alternatives with | are checked */
    const char *def;   /* default as a user would write it; NULL = none, the option is then optional and absent */
    const char *doc;
} fut_arg;

#define FUT_ARG_POSITIONAL(word, doc_)                                                                                                     \
    {                                                                                                                                      \
        .kind = FUT_ARG_KIND_POSITIONAL, .name = word, .doc = doc_                                                                         \
    }
#define FUT_ARG_OPTIONAL(word, doc_)                                                                                                       \
    {                                                                                                                                      \
        .kind = FUT_ARG_KIND_OPTIONAL, .name = word, .doc = doc_                                                                           \
    }
#define FUT_ARG_REST(word, doc_)                                                                                                           \
    {                                                                                                                                      \
        .kind = FUT_ARG_KIND_REST, .name = word, .doc = doc_                                                                               \
    }
#define FUT_ARG_VALUE(letter_, long_name, word, def_, doc_)                                                                                \
    {                                                                                                                                      \
        .kind = FUT_ARG_KIND_VALUE, .letter = letter_, .name = long_name, .value = word, .def = def_, .doc = doc_                          \
    }
#define FUT_ARG_REPEATED(letter_, long_name, word, doc_)                                                                                   \
    {                                                                                                                                      \
        .kind = FUT_ARG_KIND_REPEATED, .letter = letter_, .name = long_name, .value = word, .doc = doc_                                    \
    }
#define FUT_ARG_FLAG(letter_, long_name, doc_)                                                                                             \
    {                                                                                                                                      \
        .kind = FUT_ARG_KIND_FLAG, .letter = letter_, .name = long_name, .doc = doc_                                                       \
    }
#define FUT_ARG_END                                                                                                                        \
    {                                                                                                                                      \
        .kind = FUT_ARG_KIND_END                                                                                                           \
    }

typedef struct fut_args fut_args;

/* Parse argv[1..]. argv is borrowed until fut_args_destroy.
 * When --help or -h is among them, "usage: futago NAME ..." with `intro` (a paragraph or more, may be NULL) and the table is printed to
 * stdout, and *args_out is NULL with FUT_OK: the command returns at once.
 * Errors: FUT_ERR_USAGE (unknown option with the nearest name, missing value or operand, too many operands, not one of the words). */
fut_status fut_args_parse(const fut_arg *table, const char *intro, int argc, char **argv, fut_args **args_out) FUT_MUST_CHECK;
void fut_args_destroy(fut_args **args);

/* By long name or operand word. A name that is not in the table is a bug: FUT_ERR_INTERNAL, or NULL, false, 0. All text is borrowed. */
const char *fut_args_get(const fut_args *args, const char *name); /* value or default; NULL if absent and without default */
bool fut_args_is_given(const fut_args *args, const char *name);   /* written by the user; a flag's value */
int fut_args_count(const fut_args *args, const char *name);       /* of a repeated option or the rest */
const char *fut_args_get_at(const fut_args *args, const char *name, int i);
/* Errors: FUT_ERR_USAGE "--name VALUE is not a number in [min, max]"; an absent option without default is FUT_ERR_USAGE too. */
fut_status fut_args_get_i64(const fut_args *args, const char *name, int64_t min, int64_t max, int64_t *value_out) FUT_MUST_CHECK;
fut_status fut_args_get_f64(const fut_args *args, const char *name, double min, double max, double *value_out) FUT_MUST_CHECK;
/* Place of the value among the |-separated words of the row. */
fut_status fut_args_get_word(const fut_args *args, const char *name, int *index_out) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
