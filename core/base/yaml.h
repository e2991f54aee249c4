/* A small strict YAML tree over libyaml's event interface (the only file that sees yaml.h is yaml.c).
 * Accepted: one document of mappings, sequences and scalars. Refused with file:line:column: anchors, aliases, tags, several documents,
 * duplicate keys, tabs as indentation, depth over 16, files over 1 MiB, bytes that are not UTF-8. */
#ifndef FUT_CORE_BASE_YAML_H
#define FUT_CORE_BASE_YAML_H

#include "core/base/status.h"

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

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
/* Apply "a.b.c=value" (value is parsed as YAML flow text, so lists and {type: x} work) on the tree, creating mappings on the way. */
fut_status fut_yaml_set(fut_yaml_node *root, const char *assignment) FUT_MUST_CHECK;
void fut_yaml_destroy(fut_yaml_node **root);

#ifdef __cplusplus
}
#endif

#endif
