/* Option tables: one table beside each config struct drives YAML, `--set a.b=v`, --help, validation, REFERENCE.md and the resolved config.
 *
 *     typedef struct fut_adamw_config { double lr; double weight_decay; } fut_adamw_config;
 *     #define S fut_adamw_config
 *     const fut_opt fut_adamw_options[] = {
 *         FUT_OPT_F64(S, lr, "1e-4", 0, 10, "", "learning rate"),
 *         FUT_OPT_END,
 *     };
 *
 * A default is a string and goes through the same parser as a user's value. Later wins: default, YAML, --set. */
#ifndef FUT_CORE_BASE_OPT_H
#define FUT_CORE_BASE_OPT_H

#include "core/base/status.h"
#include "core/base/str.h"
#include "core/base/yaml.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FUT_OPT_STRING_MAX = 4096, FUT_OPT_LIST_MAX = 16 };

typedef enum fut_opt_kind {
    FUT_OPT_KIND_END,
    FUT_OPT_KIND_I64,      /* int64_t */
    FUT_OPT_KIND_F64,      /* double */
    FUT_OPT_KIND_BOOL,     /* bool; true | false only */
    FUT_OPT_KIND_ENUM,     /* int: index into names */
    FUT_OPT_KIND_STRING,   /* fut_opt_text */
    FUT_OPT_KIND_BYTES,    /* int64_t; "64 MiB" */
    FUT_OPT_KIND_DURATION, /* double, seconds; "5 min", "30s" */
    FUT_OPT_KIND_F64_LIST, /* fut_opt_f64_list; [0.8, 0.1, 0.1] */
    FUT_OPT_KIND_TABLE,    /* a struct with its own table */
    FUT_OPT_KIND_VARIANT,  /* fut_opt_variant: {type: name, ...options of that type} */
    FUT_OPT_KIND_VARIANTS  /* fut_opt_variants: [flip, {type: blur, ...options of that type}], each type once */
} fut_opt_kind;

typedef char fut_opt_text[FUT_OPT_STRING_MAX];

typedef struct fut_opt_f64_list {
    int count;
    double value[FUT_OPT_LIST_MAX];
} fut_opt_f64_list;

struct fut_opt;

/* One choice of a variant: a registry lists pointers to these, ending with NULL, so that each lives in the file of what it names. */
typedef struct fut_opt_choice {
    const char *name;
    const char *doc;
    const struct fut_opt *options; /* its table; ends with FUT_OPT_END */
    size_t config_size;            /* bytes of its config struct */
    const void *payload;           /* the registry's own row, e.g. const fut_loss_type * */
} fut_opt_choice;

typedef struct fut_opt_variant {
    const fut_opt_choice *choice;
    void *config; /* choice->config_size bytes; owned, freed by fut_opt_fini */
} fut_opt_variant;

typedef struct fut_opt_variants {
    int count;
    fut_opt_variant item[FUT_OPT_LIST_MAX]; /* in the order given */
} fut_opt_variants;

typedef struct fut_opt {
    fut_opt_kind kind;
    const char *name;
    size_t offset;
    const char *def;                      /* default, as a user would write it */
    double min, max;                      /* inclusive, for numbers; beyond 1e18 is no bound */
    const char *unit;                     /* "" if none */
    const char *doc;                      /* one lowercase line */
    const char *const *names;             /* ENUM: allowed words, NULL-terminated */
    const struct fut_opt *table;          /* TABLE */
    const fut_opt_choice *const *choices; /* VARIANT, VARIANTS: NULL-terminated; the rows of a registry */
} fut_opt;

/* The address of the member is checked against the C type the row says: a row that disagrees with its field does not compile. */
#define FUT_OPT_FIELD(S, field, type) (offsetof(S, field) + 0 * sizeof((type *)0 == &((S *)0)->field))
#define FUT_OPT_I64(S, f, d, lo, hi, u, doc_)                                                                                              \
    {                                                                                                                                      \
        .kind = FUT_OPT_KIND_I64, .name = #f, .offset = FUT_OPT_FIELD(S, f, int64_t), .def = d, .min = lo, .max = hi, .unit = u,           \
        .doc = doc_                                                                                                                        \
    }
#define FUT_OPT_F64(S, f, d, lo, hi, u, doc_)                                                                                              \
    {                                                                                                                                      \
        .kind = FUT_OPT_KIND_F64, .name = #f, .offset = FUT_OPT_FIELD(S, f, double), .def = d, .min = lo, .max = hi, .unit = u,            \
        .doc = doc_                                                                                                                        \
    }
#define FUT_OPT_BOOL(S, f, d, doc_)                                                                                                        \
    {                                                                                                                                      \
        .kind = FUT_OPT_KIND_BOOL, .name = #f, .offset = FUT_OPT_FIELD(S, f, bool), .def = d, .unit = "", .doc = doc_                      \
    }
#define FUT_OPT_ENUM(S, f, d, words, doc_)                                                                                                 \
    {                                                                                                                                      \
        .kind = FUT_OPT_KIND_ENUM, .name = #f, .offset = FUT_OPT_FIELD(S, f, int), .def = d, .unit = "", .doc = doc_, .names = words       \
    }
#define FUT_OPT_STRING(S, f, d, doc_)                                                                                                      \
    {                                                                                                                                      \
        .kind = FUT_OPT_KIND_STRING, .name = #f, .offset = FUT_OPT_FIELD(S, f, fut_opt_text), .def = d, .unit = "", .doc = doc_            \
    }
#define FUT_OPT_BYTES(S, f, d, lo, hi, doc_)                                                                                               \
    {                                                                                                                                      \
        .kind = FUT_OPT_KIND_BYTES, .name = #f, .offset = FUT_OPT_FIELD(S, f, int64_t), .def = d, .min = lo, .max = hi, .unit = "bytes",   \
        .doc = doc_                                                                                                                        \
    }
#define FUT_OPT_DURATION(S, f, d, lo, hi, doc_)                                                                                            \
    {                                                                                                                                      \
        .kind = FUT_OPT_KIND_DURATION, .name = #f, .offset = FUT_OPT_FIELD(S, f, double), .def = d, .min = lo, .max = hi,                  \
        .unit = "seconds", .doc = doc_                                                                                                     \
    }
#define FUT_OPT_F64_LIST(S, f, d, lo, hi, doc_)                                                                                            \
    {                                                                                                                                      \
        .kind = FUT_OPT_KIND_F64_LIST, .name = #f, .offset = FUT_OPT_FIELD(S, f, fut_opt_f64_list), .def = d, .min = lo, .max = hi,        \
        .unit = "", .doc = doc_                                                                                                            \
    }
#define FUT_OPT_TABLE(S, f, sub_table, doc_)                                                                                               \
    {                                                                                                                                      \
        .kind = FUT_OPT_KIND_TABLE, .name = #f, .offset = offsetof(S, f), .def = "", .unit = "", .doc = doc_, .table = sub_table           \
    }
#define FUT_OPT_VARIANT(S, f, d, choice_list, doc_)                                                                                        \
    {                                                                                                                                      \
        .kind = FUT_OPT_KIND_VARIANT, .name = #f, .offset = FUT_OPT_FIELD(S, f, fut_opt_variant), .def = d, .unit = "", .doc = doc_,       \
        .choices = choice_list                                                                                                             \
    }
#define FUT_OPT_VARIANTS(S, f, d, choice_list, doc_)                                                                                       \
    {                                                                                                                                      \
        .kind = FUT_OPT_KIND_VARIANTS, .name = #f, .offset = FUT_OPT_FIELD(S, f, fut_opt_variants), .def = d, .unit = "", .doc = doc_,     \
        .choices = choice_list                                                                                                             \
    }
#define FUT_OPT_END                                                                                                                        \
    {                                                                                                                                      \
        .kind = FUT_OPT_KIND_END                                                                                                           \
    }

/* Fill *config (zeroed by the caller) from the table's defaults.
 * Owns: variants' configs; release with fut_opt_fini. Errors: FUT_ERR_CONFIG for a default that does not parse, FUT_ERR_NO_MEMORY. */
fut_status fut_opt_defaults(const fut_opt *table, void *config) FUT_MUST_CHECK;

/* Overlay the mapping `node` on *config; keys in any order. Unknown key, wrong type, out of range: FUT_ERR_CONFIG with
 * "file:line:col: a.b.key: found ..., expected ..., nearest name".
 * A variant is written {type: x, option: value} or x alone. Without type it keeps its choice; another type starts from that type's
 * defaults. A list of variants replaces the one before it. On error *config holds some of the new values; it is still whole, and
 * fut_opt_fini releases it. */
fut_status fut_opt_load(const fut_opt *table, void *config, const fut_yaml_node *node) FUT_MUST_CHECK;

/* Release what variants own; *config may be filled again. */
void fut_opt_fini(const fut_opt *table, void *config);

/* Append *config as YAML: every key, one a line, tables as blocks, variants in flow form. fut_opt_load reads it back to the same bits. */
fut_status fut_opt_print_yaml(const fut_opt *table, const void *config, fut_str *out) FUT_MUST_CHECK;
/* Append a help text of the table in plain text, one line a row: name, default, doc (allowed values); the options of each type of a variant
 * below it. `prefix` is put before names ("train."). */
fut_status fut_opt_print_help(const fut_opt *table, const char *prefix, fut_str *out) FUT_MUST_CHECK;
/* Append the same as Markdown tables, for configs/REFERENCE.md: the rows, then a table for each type of each variant. */
fut_status fut_opt_print_markdown(const fut_opt *table, const char *prefix, fut_str *out) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
