#include "dist/shared_memory.h"

#include "core/base/log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SHM "/dev/shm"
#define REMEDY "remove old files there, or give it more (mount -o remount,size=1g /dev/shm; docker run --shm-size=1g)"

void fut_shared_memory_check(void)
{
    enum { NEEDED_MIB = 8 };
    struct statvfs shm;
    if (statvfs(SHM, &shm) != 0) return;
    uint64_t mib = (uint64_t)shm.f_bavail * shm.f_frsize >> 20;
    if (mib < NEEDED_MIB) FUT_WARN(SHM " has %" PRIu64 " MiB left, too little for messages between ranks: " REMEDY, mib);
}

/* Gives memory to the pages that have none, and leaves those that have alone. */
static int fill_holes(const char *path)
{
    struct stat file;
    int failed = 0;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return 0; /* removed already: the mapping is all that is left */
    if (fstat(fd, &file) == 0 && S_ISREG(file.st_mode)) failed = posix_fallocate(fd, 0, file.st_size);
    (void)close(fd);
    return failed;
}

void fut_shared_memory_reserve(void)
{
    char line[4608];
    int failed = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    if (maps == NULL) return;
    while (failed == 0 && fgets(line, sizeof line, maps) != NULL) {
        char *path = strstr(line, SHM "/");
        if (path == NULL) continue;
        path[strcspn(path, "\n")] = '\0';
        failed = fill_holes(path);
    }
    (void)fclose(maps);
    if (failed != 0)
        FUT_WARN(SHM ": cannot reserve the memory for messages between ranks: %s; if it fills up, ranks die with SIGBUS: " REMEDY,
                 strerror(failed));
}
