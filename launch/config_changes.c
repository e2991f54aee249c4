#include "launch/config_changes.h"

#include "core/base/log.h"

#include <string.h>

typedef struct span {
    const char *at;
    int length;
} span;

/* "train:" and below it "  threads: 2"; or "loss: {...}" without a section. */
typedef struct entry {
    span section, key, value;
} entry;

static bool is_same(span a, span b)
{
    return a.length == b.length && memcmp(a.at, b.at, (size_t)a.length) == 0;
}

/* The next entry of the text that *at has come to, past heads of sections, which stay in *e. */
static bool next_entry(const char **at, entry *e)
{
    while (**at != '\0') {
        const char *line = *at;
        size_t length = strcspn(line, "\n");
        size_t indent = strspn(line, " ");
        size_t key = strcspn(line + indent, ":\n");
        size_t value = indent + key + 1; /* behind the colon */
        *at += length + (line[length] == '\n');
        if (indent == 0) e->section.length = 0;
        if (value >= length) {
            e->section = (span){line, (int)key};
            continue;
        }
        value += line[value] == ' ';
        e->key = (span){line + indent, (int)key};
        e->value = (span){line + value, (int)(length - value)};
        return true;
    }
    return false;
}

static bool find(const char *text, const entry *like, span *value_out)
{
    entry e = {.section = {text, 0}};
    while (next_entry(&text, &e))
        if (is_same(e.section, like->section) && is_same(e.key, like->key)) {
            *value_out = e.value;
            return true;
        }
    return false;
}

/* X of "{type: X, ...}". */
static span type_of(span value)
{
    static const char mark[] = "{type: ";
    int skip = (int)sizeof mark - 1;
    if (value.length < skip || memcmp(value.at, mark, (size_t)skip) != 0) return (span){value.at, 0};
    return (span){value.at + skip, (int)strcspn(value.at + skip, ",}\n")};
}

static bool is_key(const entry *e, const char *section, const char *key)
{
    return is_same(e->section, (span){section, (int)strlen(section)}) && is_same(e->key, (span){key, (int)strlen(key)});
}

fut_config_changes fut_config_log_changes(const char *before, const char *now)
{
    fut_config_changes changes = {0};
    entry e = {.section = {now, 0}};
    span was;
    while (next_entry(&now, &e)) {
        if (!find(before, &e, &was) || is_same(was, e.value)) continue;
        FUT_WARN("configuration changed since the checkpoint: %.*s%s%.*s was %.*s, is now %.*s", e.section.length, e.section.at,
                 e.section.length > 0 ? "." : "", e.key.length, e.key.at, was.length, was.at, e.value.length, e.value.at);
        if (is_key(&e, "eval", "best") || is_key(&e, "eval", "part")) changes.best = true;
        if (is_key(&e, "", "scheduler")) changes.scheduler = true;
        if (!is_key(&e, "", "loss") || is_same(type_of(was), type_of(e.value))) continue;
        FUT_WARN(
            "the run goes on with the loss %.*s after %.*s: weights, the optimizer's moments, the learning rate and the place in the data "
            "are carried over; values of the loss before and after cannot be compared, so what is best in it begins anew",
            type_of(e.value).length, type_of(e.value).at, type_of(was).length, type_of(was).at);
        changes.loss = true;
    }
    return changes;
}
