/* What ranks talk through and what limits them: network, shared memory, limits, leftovers of dead runs. */
#include "core/base/mem.h"
#include "launch/doctor.h"

#include <dirent.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const char section[] = "system";
enum { PATH_BYTES = 512, WORD_BYTES = 64, FILES_MAX = 1024 };

/* First line of <folder><name><file>, of /sys; "" where there is none. */
static void read_line(char *text, size_t max, const char *folder, const char *name, const char *file)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s%s%s", folder, name, file);
    text[0] = '\0';
    FILE *stream = fopen(path, "r");
    if (stream == NULL) return;
    if (fgets(text, (int)max, stream) == NULL) text[0] = '\0';
    (void)fclose(stream);
    text[strcspn(text, "\n")] = '\0';
}

/* ---- network ---- */

static fut_status add_interface(fut_doctor *doctor, const struct ifaddrs *interface)
{
    char speed[WORD_BYTES];
    char name[WORD_BYTES];
    bool up = (interface->ifa_flags & IFF_RUNNING) != 0;
    read_line(speed, sizeof speed, "/sys/class/net/", interface->ifa_name, "/speed");
    long megabits = strtol(speed, NULL, 10);
    (void)snprintf(name, sizeof name, "network %s", interface->ifa_name);
    if (!up) return fut_doctor_add(doctor, FUT_MARK_ABSENT, section, name, "down");
    if (megabits <= 0) return fut_doctor_add(doctor, FUT_MARK_OK, section, name, "up, speed unknown");
    FUT_TRY(
        fut_doctor_add(doctor, megabits < 10000 ? FUT_MARK_WARN : FUT_MARK_OK, section, name, "up, %.3g Gbit/s", (double)megabits / 1000));
    if (megabits >= 10000) return FUT_OK;
    return fut_doctor_advise(doctor, "enough within a machine; between machines gradients want 10 Gbit/s and more (NCCL_SOCKET_IFNAME and "
                                     "--mca btl_tcp_if_include choose the interface)");
}

static fut_status look_at_network(fut_doctor *doctor)
{
    fut_status st = FUT_OK;
    struct ifaddrs *first = NULL;
    if (getifaddrs(&first) != 0) return fut_doctor_add(doctor, FUT_MARK_WARN, section, "network", "interfaces cannot be listed");
    int found = 0;
    /* The packet family has one entry an interface, whatever addresses it has. */
    for (const struct ifaddrs *i = first; i != NULL && st == FUT_OK; i = i->ifa_next) {
        if (i->ifa_addr == NULL || i->ifa_addr->sa_family != AF_PACKET || (i->ifa_flags & IFF_LOOPBACK) != 0) continue;
        st = add_interface(doctor, i);
        found++;
    }
    freeifaddrs(first);
    if (st != FUT_OK || found > 0) return st;
    FUT_TRY(fut_doctor_add(doctor, FUT_MARK_ABSENT, section, "network", "no interface but the loopback"));
    return fut_doctor_advise(doctor, "ranks on this machine need none; several machines do");
}

static fut_status look_at_infiniband(fut_doctor *doctor)
{
    static const char folder[] = "/sys/class/infiniband/";
    fut_status st = FUT_OK;
    DIR *dir = opendir(folder);
    if (dir == NULL) return FUT_OK;
    for (const struct dirent *entry = readdir(dir); entry != NULL && st == FUT_OK; entry = readdir(dir)) {
        char state[WORD_BYTES];
        char rate[WORD_BYTES];
        if (entry->d_name[0] == '.') continue;
        read_line(state, sizeof state, folder, entry->d_name, "/ports/1/state");
        read_line(rate, sizeof rate, folder, entry->d_name, "/ports/1/rate");
        bool active = strstr(state, "ACTIVE") != NULL;
        st = fut_doctor_add(doctor, active ? FUT_MARK_OK : FUT_MARK_WARN, section, entry->d_name, "RDMA, port 1 %s, %s", state, rate);
        if (st == FUT_OK && !active)
            st = fut_doctor_advise(doctor, "look at its cable and subnet manager (ibstat), or leave it out by NCCL_IB_HCA");
    }
    (void)closedir(dir);
    return st;
}

/* ---- shared memory and limits ---- */

static fut_status look_at_shared_memory(fut_doctor *doctor)
{
    struct statvfs shm;
    if (statvfs("/dev/shm", &shm) != 0) {
        FUT_TRY(fut_doctor_add(doctor, FUT_MARK_BAD, section, "/dev/shm", "is not there"));
        return fut_doctor_advise(doctor, "mount it (a tmpfs): Open MPI and NCCL move data between ranks of a machine through it");
    }
    double total = (double)shm.f_blocks * (double)shm.f_frsize / 0x1p30;
    double unused = (double)shm.f_bavail * (double)shm.f_frsize / 0x1p30;
    bool small = unused < 0.5;
    FUT_TRY(fut_doctor_add(doctor, small ? FUT_MARK_WARN : FUT_MARK_OK, section, "/dev/shm", "%.3g GiB, %.3g GiB free", total, unused));
    if (!small) return FUT_OK;
    return fut_doctor_advise(doctor,
                             "ranks may die with SIGBUS: start the container with --shm-size=8g or --ipc=host, or remove what fills it");
}

static fut_status add_limit(fut_doctor *doctor, const char *name, const struct rlimit *limit, double unit, const char *unit_name,
                            bool enough, const char *advice)
{
    char now[WORD_BYTES] = "unlimited";
    if (limit->rlim_cur != RLIM_INFINITY) (void)snprintf(now, sizeof now, "%.6g%s", (double)limit->rlim_cur / unit, unit_name);
    FUT_TRY(fut_doctor_add(doctor, enough ? FUT_MARK_OK : FUT_MARK_WARN, section, name, "%s", now));
    return enough ? FUT_OK : fut_doctor_advise(doctor, "%s", advice);
}

static fut_status look_at_limits(fut_doctor *doctor)
{
    struct rlimit limit;
    bool has_rdma = access("/sys/class/infiniband", F_OK) == 0;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        FUT_TRY(add_limit(doctor, "open files", &limit, 1, "", limit.rlim_cur >= 1024,
                          "raise it (ulimit -n 65536): every connection between ranks takes one"));
    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0)
        FUT_TRY(add_limit(doctor, "locked memory", &limit, 0x1p20, " MiB", !has_rdma || limit.rlim_cur == RLIM_INFINITY,
                          "RDMA locks its buffers: ulimit -l unlimited, docker run --ulimit memlock=-1"));
    return FUT_OK;
}

/* ---- leftovers ---- */

static bool is_of_a_run(const char *name)
{
    static const char *const prefixes[] = {"nccl-", "vader_segment.", "sm_segment.", "psm2_shm."};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0) return true;
    return false;
}

typedef struct shm_file {
    char path[NAME_MAX + 16];
    double bytes;
    bool mapped;
} shm_file;

/* Our own files of runs in /dev/shm; returns how many, at most FILES_MAX. */
static int list_shm_files(shm_file *files)
{
    int count = 0;
    struct stat info;
    DIR *dir = opendir("/dev/shm");
    if (dir == NULL) return 0;
    for (const struct dirent *entry = readdir(dir); entry != NULL && count < FILES_MAX; entry = readdir(dir)) {
        shm_file *file = &files[count];
        (void)snprintf(file->path, sizeof file->path, "/dev/shm/%s", entry->d_name);
        if (!is_of_a_run(entry->d_name) || stat(file->path, &info) != 0 || info.st_uid != getuid()) continue;
        file->bytes = (double)info.st_blocks * 512;
        file->mapped = false;
        count++;
    }
    (void)closedir(dir);
    return count;
}

/* Mark the files that a process has mapped; one that we may not look at is not ours and maps none of ours. */
static void mark_mapped_by(const char *pid, shm_file *files, int count)
{
    char line[PATH_BYTES];
    (void)snprintf(line, sizeof line, "/proc/%s/maps", pid);
    FILE *maps = fopen(line, "r");
    if (maps == NULL) return;
    while (fgets(line, sizeof line, maps) != NULL) {
        const char *path = strstr(line, "/dev/shm/");
        for (int i = 0; path != NULL && i < count; i++)
            files[i].mapped |= strncmp(path, files[i].path, strlen(files[i].path)) == 0;
    }
    (void)fclose(maps);
}

/* Shared memory that a killed run of ours left behind: nobody has it mapped. */
static fut_status look_at_leftovers(fut_doctor *doctor)
{
    fut_status st = FUT_OK;
    shm_file *files = NULL;
    const shm_file *example = NULL;
    double bytes = 0;
    int left = 0;
    FUT_TRY(FUT_NEW_ARRAY(FILES_MAX, &files));
    int count = list_shm_files(files);
    DIR *dir = count > 0 ? opendir("/proc") : NULL;
    if (dir == NULL) goto out;
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9') mark_mapped_by(entry->d_name, files, count);
    (void)closedir(dir);
    for (int i = 0; i < count; i++) {
        if (files[i].mapped) continue;
        example = &files[i];
        bytes += files[i].bytes;
        left++;
    }
    if (left == 0) goto out;
    FUT_TRY_GOTO(fut_doctor_add(doctor, FUT_MARK_WARN, section, "leftovers", "%d files of runs that were killed, %.1f MiB, such as %s",
                                left, bytes / 0x1p20, example->path),
                 out);
    st = fut_doctor_advise(doctor, "remove them: they fill /dev/shm and no process has them open");
out:
    fut_mem_free(files);
    return st;
}

/* Variables that change what NCCL and Open MPI do, so that a strange result can be traced to them. */
static fut_status look_at_environment(fut_doctor *doctor)
{
    static const char *const names[] = {"FUTAGO_MODULES",  "NCCL_DEBUG",       "NCCL_SOCKET_IFNAME",  "NCCL_IB_HCA",
                                        "NCCL_IB_DISABLE", "NCCL_P2P_DISABLE", "NCCL_SHM_DISABLE",    "NCCL_ALGO",
                                        "NCCL_PROTO",      "OMPI_MCA_btl",     "CUDA_LAUNCH_BLOCKING"};
    static const char *const slow[] = {"NCCL_P2P_DISABLE", "NCCL_SHM_DISABLE", "NCCL_IB_DISABLE", "CUDA_LAUNCH_BLOCKING"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        bool slows = false;
        if (value == NULL) continue;
        for (size_t k = 0; k < sizeof slow / sizeof *slow; k++)
            slows |= strcmp(names[i], slow[k]) == 0 && strcmp(value, "0") != 0;
        FUT_TRY(fut_doctor_add(doctor, slows ? FUT_MARK_WARN : FUT_MARK_OK, section, names[i], "%s", value));
        if (slows) FUT_TRY(fut_doctor_advise(doctor, "unset it unless you look for a fault: it slows training down"));
    }
    return FUT_OK;
}

fut_status fut_doctor_system(fut_doctor *doctor)
{
    FUT_TRY(look_at_network(doctor));
    FUT_TRY(look_at_infiniband(doctor));
    FUT_TRY(look_at_shared_memory(doctor));
    FUT_TRY(look_at_limits(doctor));
    FUT_TRY(look_at_leftovers(doctor));
    return look_at_environment(doctor);
}
