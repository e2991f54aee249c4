#include "core/base/yaml.h"

#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

/* What one parse carries along. Messages name `source`, nodes carry `origin`; the two differ for --set only. */
typedef struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one; all zero before the first */
    const char *source;
    const char *origin;
    bool placed;         /* nodes get lines and columns */
    size_t first_column; /* of the text's first byte, 0-based */
    int nodes;
} reader;

#define LINE(mark) ((mark).line + 1)
#define COLUMN(r, mark) ((mark).column + 1 + ((mark).line == 0 ? (r)->first_column : 0))
#define REFUSE(r, mark, ...) refuse_at(r, mark, __LINE__, __VA_ARGS__)

static fut_status refuse_at(const reader *r, yaml_mark_t mark, int code_line, const char *fmt, ...) FUT_PRINTF(4, 5);

static fut_status refuse_at(const reader *r, yaml_mark_t mark, int code_line, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return fut_trail_record(FUT_ERR_CONFIG, __FILE__, code_line, "%s:%zu:%zu: %s", r->source, LINE(mark), COLUMN(r, mark), text);
}

void fut_yaml_destroy(fut_yaml_node **root)
{
    fut_yaml_node *node = *root;
    *root = NULL;
    while (node != NULL) {
        fut_yaml_node *next = node->next;
        fut_yaml_destroy(&node->child); /* no deeper than FUT_YAML_DEPTH_MAX twice */
        fut_mem_free(node->key);
        fut_mem_free(node->text);
        fut_mem_free(node);
        node = next;
    }
}

static fut_status copy_text(const char *bytes, size_t length, char **text_out)
{
    char *text = NULL;
    FUT_TRY(FUT_NEW_ARRAY(length + 1, &text));
    memcpy(text, bytes, length);
    *text_out = text;
    return FUT_OK;
}

/* Refuse, with its place, every character that libyaml would refuse without one, and tabs where YAML wants blanks. */
static fut_status check_characters(const reader *r, const char *bytes, size_t length)
{
    yaml_mark_t mark = {0};
    bool indentation = true;
    for (size_t at = 0; at < length;) {
        uint32_t code = 0;
        size_t n = fut_str_utf8(bytes + at, length - at, &code);
        if (n == 0) return REFUSE(r, mark, "byte 0x%02x is not UTF-8 text; save the file as UTF-8", (unsigned char)bytes[at]);
        bool control = (code < 0x20 && code != '\t' && code != '\n' && code != '\r') || (code >= 0x7f && code <= 0x9f && code != 0x85);
        if (code == 0) return REFUSE(r, mark, "character U+0000 is not text; is this the right file?");
        if (control || code == 0xfeff || code == 0xfffe || code == 0xffff)
            return REFUSE(r, mark, "character U+%04X is not text; remove it, or write it in double quotes as \\u%04X", code, code);
        if (indentation && code == '\t') return REFUSE(r, mark, "a tab in the indentation; use blanks");
        if (code != ' ') indentation = false;
        at += n;
        mark.column++;
        if (code == '\n' || code == '\r') {
            if (code == '\n' || at == length || bytes[at] != '\n') mark.line++;
            mark.column = 0;
            indentation = true;
        }
    }
    return FUT_OK;
}

static fut_status next_event(reader *r)
{
    yaml_event_delete(&r->event);
    if (yaml_parser_parse(&r->parser, &r->event)) return FUT_OK;
    const yaml_parser_t *p = &r->parser;
    FUT_CHECK(p->error != YAML_MEMORY_ERROR, FUT_ERR_NO_MEMORY, "%s: no memory to parse it", r->source);
    const char *problem = p->problem == NULL ? "not YAML" : p->problem;
    if (p->context == NULL) return REFUSE(r, p->problem_mark, "%s; check quotes, brackets and indentation", problem);
    return REFUSE(r, p->problem_mark, "%s %s that starts at line %zu; check quotes, brackets and indentation", problem, p->context,
                  LINE(p->context_mark));
}

static fut_status check_plain_node(const reader *r, const yaml_char_t *anchor, const yaml_char_t *tag)
{
    if (anchor != NULL)
        return REFUSE(r, r->event.start_mark, "anchor &%.64s; anchors are not accepted, repeat the value", (const char *)anchor);
    if (tag != NULL) return REFUSE(r, r->event.start_mark, "tag %.64s; tags are not accepted, remove it", (const char *)tag);
    return FUT_OK;
}

/* The text of the current event, which must be a scalar. */
static fut_status read_scalar(const reader *r, char **text_out)
{
    const char *bytes = (const char *)r->event.data.scalar.value;
    size_t length = r->event.data.scalar.length;
    FUT_TRY(check_plain_node(r, r->event.data.scalar.anchor, r->event.data.scalar.tag));
    if (memchr(bytes, '\0', length) != NULL) return REFUSE(r, r->event.start_mark, "the text has a NUL character; remove \\0");
    return copy_text(bytes, length, text_out);
}

static fut_status new_node(reader *r, fut_yaml_node **node_out)
{
    if (++r->nodes > FUT_YAML_NODES_MAX)
        return REFUSE(r, r->event.start_mark, "more than %d values; a configuration has some dozens", FUT_YAML_NODES_MAX);
    fut_yaml_node *node = NULL;
    FUT_TRY(FUT_NEW(&node));
    node->origin = r->origin;
    *node_out = node;
    return FUT_OK;
}

/* The current event begins an entry of `parent`: append a node that carries its key. */
static fut_status read_key(reader *r, const fut_yaml_node *parent, fut_yaml_node *entry)
{
    if (r->event.type != YAML_SCALAR_EVENT)
        return REFUSE(r, r->event.start_mark, "a key must be a word; write \"key: value\", and quote values that hold [ ] { }");
    FUT_TRY(read_scalar(r, &entry->key));
    if (entry->key[0] == '\0') return REFUSE(r, r->event.start_mark, "an empty key; write a name before the colon");
    for (const fut_yaml_node *other = parent->child; other != entry; other = other->next)
        if (strcmp(other->key, entry->key) == 0)
            return REFUSE(r, r->event.start_mark, "key %.64s is here twice, first at line %d; remove one", entry->key, other->key_line);
    if (r->placed) {
        entry->key_line = (int)LINE(r->event.start_mark);
        entry->key_column = (int)COLUMN(r, r->event.start_mark);
    }
    return next_event(r);
}

/* Fill `node` from the current event and, for a collection, from those up to its end. */
static fut_status fill_node(reader *r, int depth, fut_yaml_node *node)
{
    yaml_event_type_t type = r->event.type;
    yaml_mark_t start = r->event.start_mark;
    if (r->placed) {
        node->line = (int)LINE(start);
        node->column = (int)COLUMN(r, start);
    }
    if (type == YAML_ALIAS_EVENT)
        return REFUSE(r, start, "alias *%.64s; aliases are not accepted, repeat the value", (const char *)r->event.data.alias.anchor);
    if (type == YAML_SCALAR_EVENT) {
        node->kind = FUT_YAML_SCALAR;
        node->quoted = r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        return read_scalar(r, &node->text);
    }
    bool mapping = type == YAML_MAPPING_START_EVENT;
    if (mapping)
        FUT_TRY(check_plain_node(r, r->event.data.mapping_start.anchor, r->event.data.mapping_start.tag));
    else
        FUT_TRY(check_plain_node(r, r->event.data.sequence_start.anchor, r->event.data.sequence_start.tag));
    if (depth > FUT_YAML_DEPTH_MAX) return REFUSE(r, start, "nested deeper than %d levels; no option is", FUT_YAML_DEPTH_MAX);
    node->kind = mapping ? FUT_YAML_MAPPING : FUT_YAML_SEQUENCE;
    yaml_event_type_t end = mapping ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
    fut_yaml_node **link = &node->child;
    for (int count = 1;; count++) {
        FUT_TRY(next_event(r));
        if (r->event.type == end) return FUT_OK;
        if (count > FUT_YAML_ENTRIES_MAX)
            return REFUSE(r, r->event.start_mark, "more than %d entries in one place; a configuration has some dozens",
                          FUT_YAML_ENTRIES_MAX);
        FUT_TRY(new_node(r, link));
        if (mapping) FUT_TRY(read_key(r, node, *link));
        FUT_TRY(fill_node(r, depth + 1, *link));
        link = &(*link)->next;
    }
}

static fut_status read_document(reader *r, fut_yaml_node *root)
{
    FUT_TRY(next_event(r)); /* stream start */
    FUT_TRY(next_event(r));
    if (r->event.type != YAML_STREAM_END_EVENT) {
        FUT_TRY(next_event(r));
        FUT_TRY(fill_node(r, 1, root));
        FUT_TRY(next_event(r)); /* document end */
        FUT_TRY(next_event(r));
        if (r->event.type != YAML_STREAM_END_EVENT)
            return REFUSE(r, r->event.start_mark, "a second document starts here; keep one, and remove the line ---");
    }
    bool empty = root->kind == FUT_YAML_SCALAR && !root->quoted && (root->text == NULL || root->text[0] == '\0');
    if (empty) root->kind = FUT_YAML_MAPPING;
    return FUT_OK;
}

static fut_status parse(const reader *settings, const char *bytes, size_t length, fut_yaml_node **root_out)
{
    static const char byte_order_mark[] = "\xef\xbb\xbf";
    fut_status st = FUT_OK;
    reader r = *settings;
    bool started = false;
    fut_yaml_node *root = NULL;
    FUT_CHECK_GOTO(length <= FUT_YAML_BYTES_MAX, FUT_ERR_CONFIG, out,
                   "%s: %zu bytes, a configuration has at most %d; is this the right file?", r.source, length, FUT_YAML_BYTES_MAX);
    if (length >= 3 && memcmp(bytes, byte_order_mark, 3) == 0) {
        bytes += 3;
        length -= 3;
    }
    FUT_TRY_GOTO(check_characters(&r, bytes, length), out);
    /* The root's block also holds the name that all nodes point to, so the tree outlives the caller's string. */
    size_t name_bytes = strlen(r.origin) + 1;
    FUT_TRY_GOTO(fut_mem_alloc(1, sizeof *root + name_bytes, (void **)&root), out);
    r.origin = memcpy(root + 1, r.origin, name_bytes);
    root->origin = r.origin;
    if (r.placed) root->line = root->column = 1;
    started = yaml_parser_initialize(&r.parser);
    FUT_CHECK_GOTO(started, FUT_ERR_NO_MEMORY, out, "%s: no memory to parse it", r.source);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)bytes, length);
    FUT_TRY_GOTO(read_document(&r, root), out);
    *root_out = root;
    root = NULL;
out:
    if (started) {
        yaml_event_delete(&r.event);
        yaml_parser_delete(&r.parser);
    }
    fut_yaml_destroy(&root);
    return st;
}

fut_status fut_yaml_parse_text(const char *origin, const char *bytes, size_t length, fut_yaml_node **root_out)
{
    reader settings = {.source = origin, .origin = origin, .placed = true};
    return parse(&settings, bytes, length, root_out);
}

fut_status fut_yaml_parse_file(const char *path, fut_yaml_node **root_out)
{
    fut_status st = FUT_OK;
    fut_str text = {0};
    st = fut_file_read(path, FUT_YAML_BYTES_MAX, &text);
    if (st == FUT_ERR_DATA) st = FUT_FAIL(FUT_ERR_CONFIG, "a configuration is a text file of at most %d bytes", FUT_YAML_BYTES_MAX);
    if (st != FUT_OK) goto out;
    FUT_TRY_GOTO(fut_yaml_parse_text(path, fut_str_text(&text), text.length, root_out), out);
out:
    fut_str_fini(&text);
    return st;
}

static fut_yaml_node *find_key(const fut_yaml_node *mapping, const char *key, size_t length)
{
    for (fut_yaml_node *node = mapping->child; node != NULL; node = node->next)
        if (strlen(node->key) == length && memcmp(node->key, key, length) == 0) return node;
    return NULL;
}

/* Append an entry without a value: an unquoted empty scalar. */
static fut_status append_key(fut_yaml_node *mapping, const char *key, size_t length, fut_yaml_node **entry_out)
{
    fut_status st = FUT_OK;
    fut_yaml_node *entry = NULL;
    FUT_TRY_GOTO(FUT_NEW(&entry), out);
    entry->origin = "--set";
    FUT_TRY_GOTO(copy_text(key, length, &entry->key), out);
    FUT_TRY_GOTO(copy_text("", 0, &entry->text), out);
    fut_yaml_node **link = &mapping->child;
    while (*link != NULL)
        link = &(*link)->next;
    *link = entry;
    *entry_out = entry;
    entry = NULL;
out:
    fut_yaml_destroy(&entry);
    return st;
}

/* Make a node that can take keys: nothing becomes {}, and a variant's bare name x becomes {type: x}. */
static fut_status become_mapping(fut_yaml_node *node, const char *assignment)
{
    if (node->kind == FUT_YAML_MAPPING) return FUT_OK;
    FUT_CHECK(node->kind == FUT_YAML_SCALAR, FUT_ERR_CONFIG, "--set \"%.200s\": %s is a list and has no keys", assignment,
              node->key == NULL ? "the document" : node->key);
    if (node->text[0] != '\0' || node->quoted) {
        fut_yaml_node *type = NULL;
        FUT_TRY(append_key(node, "type", 4, &type));
        char *name = node->text;
        node->text = type->text;
        type->text = name;
        type->origin = node->origin;
        type->line = node->line;
        type->column = node->column;
        type->quoted = node->quoted;
    }
    fut_mem_free(node->text);
    node->text = NULL;
    node->quoted = false;
    node->kind = FUT_YAML_MAPPING;
    return FUT_OK;
}

/* Move the content of `value` into `node`, which keeps its key and its place among its siblings. */
static void take_value(fut_yaml_node *node, fut_yaml_node *value)
{
    fut_yaml_destroy(&node->child);
    fut_mem_free(node->text);
    node->kind = value->kind;
    node->origin = "--set";
    node->line = node->column = 0;
    node->key_line = node->key_column = 0;
    node->text = value->text;
    node->quoted = value->quoted;
    node->child = value->child;
    value->text = NULL;
    value->child = NULL;
}

static void set_origin(fut_yaml_node *node, const char *origin)
{
    for (; node != NULL; node = node->next) {
        node->origin = origin;
        set_origin(node->child, origin);
    }
}

/* `a.b.c=` with non-empty names, no more than the depth of a file. */
static bool is_path(const char *path, size_t length)
{
    int names = 1;
    for (size_t i = 0; i < length; i++) {
        if (path[i] != '.') continue;
        if (i == 0 || path[i - 1] == '.' || i + 1 == length) return false;
        names++;
    }
    return length > 0 && names <= FUT_YAML_DEPTH_MAX;
}

/* Something below the node that an earlier --set has set, or NULL. */
static const fut_yaml_node *set_below(const fut_yaml_node *node)
{
    for (const fut_yaml_node *child = node->child; child != NULL; child = child->next)
        if (strcmp(child->origin, "--set") == 0 && child->key != NULL) return child;
    return NULL;
}

fut_status fut_yaml_set(fut_yaml_node *root, const char *assignment)
{
    const char *equals = strchr(assignment, '=');
    FUT_CHECK(equals != NULL && is_path(assignment, (size_t)(equals - assignment)), FUT_ERR_CONFIG,
              "--set \"%.200s\": write it as name=value, such as train.batch=64", assignment);
    fut_status st = FUT_OK;
    fut_yaml_node *value = NULL;
    fut_str source = {0};
    FUT_TRY_GOTO(fut_str_printf(&source, "--set \"%.200s\"", assignment), out);
    reader settings = {.source = source.data, .origin = "--set", .first_column = (size_t)(equals + 1 - assignment)};
    FUT_TRY_GOTO(parse(&settings, equals + 1, strlen(equals + 1), &value), out);
    if (equals[1] == '\0') {
        /* name= means the empty text. */
        value->kind = FUT_YAML_SCALAR;
        value->quoted = true;
        if (value->text == NULL) FUT_TRY_GOTO(copy_text("", 0, &value->text), out);
    }
    set_origin(value->child, "--set");

    fut_yaml_node *node = root;
    for (const char *name = assignment; name < equals;) {
        size_t length = strcspn(name, ".=");
        FUT_TRY_GOTO(become_mapping(node, assignment), out);
        fut_yaml_node *entry = find_key(node, name, length);
        if (entry == NULL) FUT_TRY_GOTO(append_key(node, name, length, &entry), out);
        node = entry;
        name += length + 1;
    }
    const fut_yaml_node *earlier = set_below(node);
    FUT_CHECK_GOTO(earlier == NULL, FUT_ERR_CONFIG, out,
                   "--set \"%.200s\" would undo the --set of its '%s' that stands before it: put it first", assignment, earlier->key);
    take_value(node, value);
out:
    fut_str_fini(&source);
    fut_yaml_destroy(&value);
    return st;
}
