/* futago itself, the libraries it is linked to, and the processor it runs on. */
#include "core/backend/backend.h"
#include "core/base/file.h"
#include "core/base/module.h"
#include "data/h5.h"
#include "dist/boot.h"
#include "launch/doctor.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VERSION_BYTES = 256 };

static fut_status add_versions(fut_doctor *doctor, const char *name, const char *built, const char *found)
{
    if (strcmp(built, found) == 0) return fut_doctor_add(doctor, FUT_MARK_OK, "program", name, "%s", found);
    FUT_TRY(fut_doctor_add(doctor, FUT_MARK_WARN, "program", name, "%s here, futago was built with %s", found, built));
    return fut_doctor_advise(doctor, "build futago again on this machine, or run it with the library it was built with (LD_LIBRARY_PATH)");
}

static fut_status look_at_libraries(fut_doctor *doctor)
{
    char built[VERSION_BYTES];
    char found[VERSION_BYTES];
    FUT_TRY(fut_doctor_add(doctor, FUT_MARK_OK, "program", "futago", "%s, %s build by %s", fut_module_stamp(), FUT_BUILD_TYPE,
                           FUT_BUILD_COMPILER));
    fut_boot_mpi_versions(built, found, sizeof built);
    FUT_TRY(add_versions(doctor, "MPI", built, found));
    fut_h5_versions(built, found, sizeof built);
    return add_versions(doctor, "HDF5", built, found);
}

static int usable_cores(void)
{
    cpu_set_t allowed;
    return sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : (int)sysconf(_SC_NPROCESSORS_ONLN);
}

static fut_status look_at_cpu_backend(fut_doctor *doctor)
{
    fut_backend *cpu = NULL;
    fut_backend_info info;
    if (fut_backend_create("cpu", &(fut_backend_options){.threads = usable_cores()}, &cpu) != FUT_OK)
        return fut_doctor_add_error(doctor, FUT_MARK_BAD, "processor", "backend cpu");
    cpu->info(cpu, &info);
    fut_status st = fut_doctor_add(doctor, FUT_MARK_OK, "program", "oneDNN", "%s", info.library);
    if (st == FUT_OK) st = fut_doctor_add(doctor, FUT_MARK_OK, "processor", "backend cpu", "%s", info.device);
    fut_backend_destroy(&cpu);
    return st;
}

static fut_status look_at_cores(fut_doctor *doctor)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int usable = usable_cores();
    bool bound = usable < cores;
    FUT_TRY(fut_doctor_add(doctor, bound ? FUT_MARK_WARN : FUT_MARK_OK, "processor", "cores", "%ld, of which this process may use %d",
                           cores, usable));
    if (bound)
        FUT_TRY(fut_doctor_advise(
            doctor, "if you did not bind it on purpose (taskset, a container's cpuset), start ranks with mpirun --bind-to none, "
                    "or --map-by slot:PE=T --bind-to core for T cores a rank"));
    const char *threads = getenv("OMP_NUM_THREADS");
    if (threads == NULL) return FUT_OK;
    return fut_doctor_add(doctor, FUT_MARK_OK, "processor", "OMP_NUM_THREADS", "%s; futago sets its threads by train.threads instead",
                          threads);
}

static fut_status look_at_memory(fut_doctor *doctor)
{
    double page = (double)sysconf(_SC_PAGESIZE);
    double total = (double)sysconf(_SC_PHYS_PAGES) * page;
    double unused = (double)sysconf(_SC_AVPHYS_PAGES) * page;
    FUT_TRY(fut_doctor_add(doctor, FUT_MARK_OK, "processor", "memory", "%.1f GiB, %.1f GiB unused", total / 0x1p30, unused / 0x1p30));
    /* A container's limit is not seen by sysconf. */
    fut_str limit = {0};
    double bytes = 0;
    fut_status st = FUT_OK;
    if (fut_file_exists("/sys/fs/cgroup/memory.max") && fut_file_read("/sys/fs/cgroup/memory.max", 64, &limit) == FUT_OK)
        bytes = strtod(fut_str_text(&limit), NULL);
    fut_trail_clear();
    if (bytes > 0 && bytes < total) {
        st = fut_doctor_add(doctor, FUT_MARK_WARN, "processor", "memory limit", "%.1f GiB for this container", bytes / 0x1p30);
        if (st == FUT_OK) st = fut_doctor_advise(doctor, "raise it (docker run --memory) if a run is killed without a message");
    }
    fut_str_fini(&limit);
    return st;
}

fut_status fut_doctor_program(fut_doctor *doctor)
{
    FUT_TRY(look_at_libraries(doctor));
    FUT_TRY(look_at_cpu_backend(doctor));
    FUT_TRY(look_at_cores(doctor));
    return look_at_memory(doctor);
}
