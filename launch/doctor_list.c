/* The list of findings, and how it is shown. */
#include "core/base/mem.h"
#include "launch/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LINE_MAX_BYTES = 2048 };
static const char *const mark_name[] = {
    [FUT_MARK_OK] = "ok", [FUT_MARK_ABSENT] = "absent", [FUT_MARK_WARN] = "warn", [FUT_MARK_BAD] = "bad"};
static const char *const mark_sign[] = {[FUT_MARK_OK] = "ok", [FUT_MARK_ABSENT] = "-", [FUT_MARK_WARN] = "warn", [FUT_MARK_BAD] = "BAD"};

static fut_status add_text(fut_doctor *doctor, fut_mark mark, const char *section, const char *name, const char *text)
{
    if (doctor->count == doctor->room) {
        int room = doctor->room > 0 ? 2 * doctor->room : 32;
        FUT_TRY(fut_mem_grow((void **)&doctor->findings, (size_t)doctor->room, (size_t)room, sizeof *doctor->findings));
        doctor->room = room;
    }
    fut_finding *finding = &doctor->findings[doctor->count++];
    *finding = (fut_finding){.mark = mark, .section = section};
    FUT_TRY(fut_str_printf(&finding->name, "%s", name));
    return fut_str_printf(&finding->text, "%s", text);
}

fut_status fut_doctor_add(fut_doctor *doctor, fut_mark mark, const char *section, const char *name, const char *fmt, ...)
{
    char text[LINE_MAX_BYTES];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return add_text(doctor, mark, section, name, text);
}

fut_status fut_doctor_advise(fut_doctor *doctor, const char *fmt, ...)
{
    char text[LINE_MAX_BYTES];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return fut_str_printf(&doctor->findings[doctor->count - 1].advice, "%s", text);
}

fut_status fut_doctor_add_error(fut_doctor *doctor, fut_mark mark, const char *section, const char *name)
{
    fut_status st = add_text(doctor, mark, section, name, fut_trail_message());
    if (st == FUT_OK) fut_trail_clear();
    return st;
}

void fut_doctor_fini(fut_doctor *doctor)
{
    for (int i = 0; i < doctor->count; i++) {
        fut_str_fini(&doctor->findings[i].name);
        fut_str_fini(&doctor->findings[i].text);
        fut_str_fini(&doctor->findings[i].advice);
    }
    fut_mem_free(doctor->findings);
    *doctor = (fut_doctor){0};
}

static fut_status append_escaped(fut_str *out, const fut_str *text)
{
    return fut_str_append_escaped(out, fut_str_text(text), text->length);
}

fut_status fut_doctor_print_text(const fut_doctor *doctor, int from, fut_str *out)
{
    const char *section = "";
    for (int i = from; i < doctor->count; i++) {
        const fut_finding *finding = &doctor->findings[i];
        if (strcmp(finding->section, section) != 0) FUT_TRY(fut_str_printf(out, "%s%s\n", i > from ? "\n" : "", finding->section));
        section = finding->section;
        FUT_TRY(fut_str_printf(out, "  %-4s  %-18s ", mark_sign[finding->mark], fut_str_text(&finding->name)));
        FUT_TRY(append_escaped(out, &finding->text));
        FUT_TRY(fut_str_append(out, "\n", 1));
        if (finding->advice.length == 0) continue;
        FUT_TRY(fut_str_printf(out, "        -> "));
        FUT_TRY(append_escaped(out, &finding->advice));
        FUT_TRY(fut_str_append(out, "\n", 1));
    }
    return FUT_OK;
}

static fut_status append_member(fut_str *out, const char *key, const fut_str *value)
{
    FUT_TRY(fut_str_printf(out, ", \"%s\": ", key));
    return fut_str_append_json(out, fut_str_text(value), value->length);
}

fut_status fut_doctor_print_json(const fut_doctor *doctor, int from, fut_str *out)
{
    for (int i = from; i < doctor->count; i++) {
        const fut_finding *finding = &doctor->findings[i];
        FUT_TRY(fut_str_printf(out, "%s{\"section\": \"%s\", \"mark\": \"%s\"", i > from ? ",\n  " : "", finding->section,
                               mark_name[finding->mark]));
        FUT_TRY(append_member(out, "name", &finding->name));
        FUT_TRY(append_member(out, "text", &finding->text));
        FUT_TRY(append_member(out, "advice", &finding->advice));
        FUT_TRY(fut_str_append(out, "}", 1));
    }
    return FUT_OK;
}
