/* A small strict YAML tree over libyaml's event interface (the only file that sees yaml.h is yaml.c).
 *
 *     loss: {type: contrastive, pos_margin: 1}      MAPPING -> child: MAPPING key "loss" -> child: SCALAR key "type" text "contrastive"
 *                                                                                          next:  SCALAR key "pos_margin" text "1"
 *
 * Accepted: one document of mappings, sequences and scalars. Refused with file:line:column and a remedy: anchors, aliases, tags, several
 * documents, duplicate keys, keys that are not words, tabs as indentation, depth over 16, more than 1024 entries in one mapping or
 * sequence, more than 16384 values, texts over 1 MiB, control characters, bytes that are not UTF-8. So no input of any kind takes more
 * than some tens of milliseconds. */
#ifndef FUT_CORE_BASE_YAML_H
#define FUT_CORE_BASE_YAML_H

#include "core/base/status.h"

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FUT_YAML_DEPTH_MAX = 16, FUT_YAML_ENTRIES_MAX = 1024, FUT_YAML_NODES_MAX = 16384, FUT_YAML_BYTES_MAX = 1 << 20 };

typedef enum fut_yaml_kind { FUT_YAML_SCALAR, FUT_YAML_SEQUENCE, FUT_YAML_MAPPING } fut_yaml_kind;

typedef struct fut_yaml_node {
    fut_yaml_kind kind;
    const char *origin; /* file name, or "--set" */
    int line, column;   /* 1-based; 0 for --set */
    char *key;          /* in a mapping; else NULL */
    int key_line, key_column;
    char *text;                  /* SCALAR */
    bool quoted;                 /* SCALAR was written in quotes */
    struct fut_yaml_node *child; /* first child */
    struct fut_yaml_node *next;  /* next sibling */
} fut_yaml_node;

/* Parse a file, or `length` bytes named `origin` in messages. Owns: *root_out, release with fut_yaml_destroy.
 * Errors: FUT_ERR_NO_INPUT (missing), FUT_ERR_PERMISSION, FUT_ERR_CONFIG with "origin:line:col: what; do this". An empty document is an
 * empty mapping. */
fut_status fut_yaml_parse_file(const char *path, fut_yaml_node **root_out) FUT_MUST_CHECK;
fut_status fut_yaml_parse_text(const char *origin, const char *bytes, size_t length, fut_yaml_node **root_out) FUT_MUST_CHECK;
/* Apply "a.b.c=value" on the tree; the last assignment wins. The value is parsed as YAML, so lists and {type: x} work; an empty one is the
 * empty text. Mappings are created on the way; a scalar x on the way becomes {type: x}, so that loss.margin=1 works after "loss: triplet".
 * Errors: FUT_ERR_CONFIG; the tree may then hold new entries without a value. */
fut_status fut_yaml_set(fut_yaml_node *root, const char *assignment) FUT_MUST_CHECK;
void fut_yaml_destroy(fut_yaml_node **root);

#ifdef __cplusplus
}
#endif

#endif
