/* How much memory this process may still take: what the machine has, or what somebody set as a limit. */
#include "core/base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 512, CGROUP_PATH_BYTES = 256 };

typedef struct room {
    size_t free, total;
} room;

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The number behind a line's first word, as in "MemAvailable:   1234 kB"; 0 where there is none. */
static unsigned long long number_of(const char *path, const char *word)
{
    char line[LINE_MAX_BYTES];
    unsigned long long number = 0;
    size_t length = strlen(word);
    FILE *file = fopen(path, "r");
    while (file != NULL && number == 0 && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, word, length) == 0) (void)sscanf(line + length, "%llu", &number);
    if (file != NULL) (void)fclose(file);
    return number;
}

/* Narrow the room to that of a control group's folder, if it has a limit ("max" is none, and reads as 0). What it counts as used includes
 * files' pages, which the kernel gives back. */
static void narrow_to_folder(const char *folder, const char *limit_name, const char *used_name, const char *files, room *r)
{
    char path[LINE_MAX_BYTES];
    (void)snprintf(path, sizeof path, "%s/%s", folder, limit_name);
    unsigned long long limit = number_of(path, "");
    if (limit == 0 || limit >= r->total) return;
    (void)snprintf(path, sizeof path, "%s/%s", folder, used_name);
    unsigned long long used = number_of(path, "");
    (void)snprintf(path, sizeof path, "%s/memory.stat", folder);
    unsigned long long reclaimed = number_of(path, files);
    used = used > reclaimed ? used - reclaimed : 0;
    r->total = (size_t)limit;
    r->free = least(r->free, limit > used ? (size_t)(limit - used) : 0);
}

/* Control groups, version 2 ("0::/path") and 1 ("4:memory:/path"). A container may see its own group as the root. */
static void narrow_to_cgroups(room *r)
{
    char line[LINE_MAX_BYTES], folder[LINE_MAX_BYTES];
    FILE *file = fopen("/proc/self/cgroup", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        bool second = strncmp(line, "0::", 3) == 0;
        const char *path = second ? line + 3 : strstr(line, ":memory:");
        if (path == NULL) continue;
        if (!second) path += strlen(":memory:");
        const char *paths[] = {path, ""};
        for (int i = 0; i < 2; i++) {
            (void)snprintf(folder, sizeof folder, "/sys/fs/cgroup%s%.*s", second ? "" : "/memory", CGROUP_PATH_BYTES, paths[i]);
            if (second)
                narrow_to_folder(folder, "memory.max", "memory.current", "inactive_file ", r);
            else
                narrow_to_folder(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ", r);
        }
    }
    if (file != NULL) (void)fclose(file);
}

/* `ulimit -v`. */
static void narrow_to_address_space(room *r)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= r->total) return;
    size_t used = (size_t)number_of("/proc/self/statm", "") * (size_t)sysconf(_SC_PAGESIZE);
    r->total = (size_t)limit.rlim_cur;
    r->free = least(r->free, r->total > used ? r->total - used : 0);
}

/* What the kernel says where /proc is not mounted: less than could be had, since pages of files count as used. */
static room room_without_proc(void)
{
    struct sysinfo info;
    if (sysinfo(&info) != 0) return (room){.free = SIZE_MAX, .total = SIZE_MAX};
    return (room){.free = (size_t)(info.freeram + info.bufferram) * info.mem_unit, .total = (size_t)info.totalram * info.mem_unit};
}

size_t fut_mem_resident_peak(void)
{
    return (size_t)number_of("/proc/self/status", "VmHWM:") * 1024;
}

void fut_mem_machine(size_t *free_out, size_t *total_out)
{
    room r = {.free = (size_t)number_of("/proc/meminfo", "MemAvailable:") * 1024,
              .total = (size_t)number_of("/proc/meminfo", "MemTotal:") * 1024};
    if (r.total == 0) r = room_without_proc();
    narrow_to_cgroups(&r);
    narrow_to_address_space(&r);
    *free_out = r.free;
    *total_out = r.total;
}
