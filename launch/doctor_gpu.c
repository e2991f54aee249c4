/* The way to the GPUs: driver, modules and their libraries, then the GPUs themselves. */
#include "core/backend/cuda/cuda_probe.h"
#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/base/module.h"
#include "dist/nccl/nccl_probe.h"
#include "launch/doctor.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char section[] = "GPU";

/* ---- driver ---- */

/* The part of the driver's interface that is asked; int stands for CUresult, whose 0 is success. */
typedef struct driver {
    int (*init)(unsigned flags);
    int (*version)(int *version);
    int (*error_name)(int error, const char **name);
    int (*error_text)(int error, const char **text);
} driver;

/* POSIX lets an object pointer of dlsym be a function; ISO C has no cast for it. */
static bool find_function(void *library, const char *name, void *function_out)
{
    void *object = dlsym(library, name);
    memcpy(function_out, &object, sizeof object);
    return object != NULL;
}

static fut_status add_kernel_module(fut_doctor *doctor, bool *present_out)
{
    FILE *file = fopen("/proc/driver/nvidia/version", "r");
    char line[256] = "";
    *present_out = file != NULL;
    if (file == NULL) return FUT_OK;
    (void)fgets(line, sizeof line, file);
    (void)fclose(file);
    line[strcspn(line, "\n")] = '\0';
    const char *text = strstr(line, "Kernel Module");
    return fut_doctor_add(doctor, FUT_MARK_OK, section, "kernel module", "%s", text != NULL ? text : line);
}

static fut_status add_driver_trouble(fut_doctor *doctor, const driver *d, int error)
{
    const char *name = "an unknown error";
    const char *text = "";
    (void)d->error_name(error, &name);
    (void)d->error_text(error, &text);
    FUT_TRY(fut_doctor_add(doctor, FUT_MARK_BAD, section, "driver", "cuInit: %s (%d), %s", name, error, text));
    switch (error) {
    case 100: /* CUDA_ERROR_NO_DEVICE */
        return fut_doctor_advise(
            doctor, "unset CUDA_VISIBLE_DEVICES, give the container its GPUs (docker run --gpus all), see what nvidia-smi says");
    case 803: /* CUDA_ERROR_SYSTEM_DRIVER_MISMATCH */
    case 804: /* CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE */
        return fut_doctor_advise(
            doctor, "kernel module and libcuda.so.1 are of two drivers: reboot after an update of the driver; in a container, do not "
                    "bring a libcuda of its own");
    case 802: /* CUDA_ERROR_SYSTEM_NOT_READY */
        return fut_doctor_advise(doctor, "machines with NVSwitch need a running fabric manager: systemctl start nvidia-fabricmanager");
    default:
        return fut_doctor_advise(doctor, "load the driver's modules (modprobe nvidia_uvm) and see what nvidia-smi and dmesg say");
    }
}

/* works_out: the driver knows CUDA and has started. */
static fut_status look_at_driver(fut_doctor *doctor, bool *works_out)
{
    bool has_module = false;
    driver d;
    int version = 0;
    *works_out = false;
    FUT_TRY(add_kernel_module(doctor, &has_module));
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        FUT_TRY(fut_doctor_add(doctor, has_module ? FUT_MARK_BAD : FUT_MARK_ABSENT, section, "driver", "none: %s", dlerror()));
        return fut_doctor_advise(doctor,
                                 has_module ? "the kernel has the driver and this environment has not: start the container with the NVIDIA "
                                              "toolkit (docker run --gpus all), or install the driver's libraries"
                                            : "to train on an NVIDIA GPU, install its driver (580 or newer); backend cpu needs none");
    }
    if (!find_function(library, "cuInit", &d.init) || !find_function(library, "cuDriverGetVersion", &d.version) ||
        !find_function(library, "cuGetErrorName", &d.error_name) || !find_function(library, "cuGetErrorString", &d.error_text)) {
        FUT_TRY(fut_doctor_add(doctor, FUT_MARK_BAD, section, "driver", "libcuda.so.1 is not NVIDIA's: %s", dlerror()));
        return fut_doctor_advise(doctor, "install the driver's own libraries");
    }
    int error = d.init(0);
    if (error != 0) return add_driver_trouble(doctor, &d, error);
    *works_out = true;
    (void)d.version(&version);
    return fut_doctor_add(doctor, FUT_MARK_OK, section, "driver", "knows CUDA up to %d.%d", version / 1000, version % 1000 / 10);
}

/* ---- modules and their libraries ---- */

/* Where a module does not open, which of the libraries it was built for are here at all. */
static fut_status look_at_library(fut_doctor *doctor, const char *name, const char *file)
{
    void *library = dlopen(file, RTLD_LAZY | RTLD_LOCAL);
    if (library != NULL) return fut_doctor_add(doctor, FUT_MARK_OK, section, name, "%s is here", file);
    FUT_TRY(fut_doctor_add(doctor, FUT_MARK_WARN, section, name, "missing: %s", dlerror()));
    return fut_doctor_advise(
        doctor,
        "install it (in containers: NVIDIA's cuda and cudnn images, Python packages nvidia-*-cu%s), or name its folder in "
        "LD_LIBRARY_PATH",
        FUT_BUILD_CUDA_MAJOR);
}

static fut_status look_at_libraries(fut_doctor *doctor)
{
    FUT_TRY(look_at_library(doctor, "CUDA runtime", "libcudart.so." FUT_BUILD_CUDA_MAJOR));
    FUT_TRY(look_at_library(doctor, "cuBLASLt", "libcublasLt.so." FUT_BUILD_CUDA_MAJOR));
    FUT_TRY(look_at_library(doctor, "cuDNN", "libcudnn.so.9"));
    return look_at_library(doctor, "NCCL", "libnccl.so.2");
}

static void write_version(char *text, size_t max, int major, int minor, int patch)
{
    (void)snprintf(text, max, "%d.%d.%d", major, minor, patch);
}

static fut_status add_version(fut_doctor *doctor, const char *name, const char *found, const char *built, bool same_major)
{
    FUT_TRY(fut_doctor_add(doctor, same_major ? FUT_MARK_OK : FUT_MARK_WARN, section, name, "%s, built with %s", found, built));
    return same_major ? FUT_OK : fut_doctor_advise(doctor, "use the version that futago was built with, or build it again here");
}

static fut_status add_probed_versions(fut_doctor *doctor, const fut_cuda_probe *p)
{
    char found[64];
    char built[64];
    write_version(found, sizeof found, p->runtime_found / 1000, p->runtime_found % 1000 / 10, p->runtime_found % 10);
    write_version(built, sizeof built, p->runtime_built / 1000, p->runtime_built % 1000 / 10, p->runtime_built % 10);
    FUT_TRY(add_version(doctor, "CUDA runtime", found, built, p->runtime_found / 1000 == p->runtime_built / 1000));
    write_version(found, sizeof found, p->cudnn_found / 10000, p->cudnn_found % 10000 / 100, p->cudnn_found % 100);
    write_version(built, sizeof built, p->cudnn_built / 10000, p->cudnn_built % 10000 / 100, p->cudnn_built % 100);
    FUT_TRY(add_version(doctor, "cuDNN", found, built, p->cudnn_found / 10000 == p->cudnn_built / 10000));
    write_version(found, sizeof found, p->cublaslt_found / 10000, p->cublaslt_found % 10000 / 100, p->cublaslt_found % 100);
    return fut_doctor_add(doctor, FUT_MARK_OK, section, "cuBLASLt", "%s", found);
}

/* The probe of the CUDA module. loaded_out: it opened. */
static fut_status look_at_cuda_module(fut_doctor *doctor, bool has_driver, fut_cuda_probe *probe, bool *loaded_out)
{
    fut_module_function find = NULL;
    *loaded_out = fut_module_find("futago_cuda", "fut_cuda_module_probe", &find) == FUT_OK;
    if (*loaded_out) {
        ((void (*)(fut_cuda_probe *))find)(probe);
        return add_probed_versions(doctor, probe);
    }
    /* Nobody misses it where there is nothing to drive. */
    FUT_TRY(fut_doctor_add_error(doctor, has_driver ? FUT_MARK_BAD : FUT_MARK_ABSENT, section, "module futago_cuda"));
    if (FUT_BUILD_CUDA[0] == '\0')
        return fut_doctor_advise(doctor, "this futago was built for CPUs only, which need nothing more; for a GPU build preset cuda");
    return look_at_libraries(doctor);
}

static fut_status look_at_nccl_module(fut_doctor *doctor, bool has_driver)
{
    fut_module_function find = NULL;
    int built = 0;
    int found = 0;
    char built_text[64];
    char found_text[64];
    if (fut_module_find("futago_nccl", "fut_nccl_module_probe", &find) != FUT_OK)
        return fut_doctor_add_error(doctor, has_driver ? FUT_MARK_BAD : FUT_MARK_ABSENT, section, "module futago_nccl");
    ((void (*)(int *, int *))find)(&built, &found);
    write_version(built_text, sizeof built_text, built / 10000, built % 10000 / 100, built % 100);
    write_version(found_text, sizeof found_text, found / 10000, found % 10000 / 100, found % 100);
    doctor->has_nccl = true;
    return add_version(doctor, "NCCL", found_text, built_text, found / 10000 == built / 10000);
}

/* ---- GPUs ---- */

/* Lanes of the PCIe link, now and at most, "" where the kernel does not say. */
static void read_link_width(const char *bus, const char *which, char *text, size_t max)
{
    char path[256];
    char lower[32];
    size_t length = strlen(bus);
    for (size_t i = 0; i <= length && i < sizeof lower; i++)
        lower[i] = (char)(bus[i] >= 'A' && bus[i] <= 'F' ? bus[i] - 'A' + 'a' : bus[i]);
    lower[sizeof lower - 1] = '\0';
    (void)snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/%s", lower, which);
    text[0] = '\0';
    FILE *file = fopen(path, "r");
    if (file == NULL) return;
    if (fgets(text, (int)max, file) == NULL) text[0] = '\0';
    (void)fclose(file);
    text[strcspn(text, "\n")] = '\0';
}

static fut_status look_at_gpu(fut_doctor *doctor, const fut_cuda_probe_gpu *gpu, int i)
{
    char name[32];
    char width[32];
    char width_max[32];
    (void)snprintf(name, sizeof name, "GPU %d", i);
    if (gpu->trouble[0] != '\0') {
        FUT_TRY(fut_doctor_add(doctor, FUT_MARK_BAD, section, name, "%s %s %s", gpu->name, gpu->uuid, gpu->trouble));
        return fut_doctor_advise(doctor,
                                 "see nvidia-smi and dmesg (Xid); end what holds it, reset it (nvidia-smi --gpu-reset), or leave it out by "
                                 "CUDA_VISIBLE_DEVICES");
    }
    bool too_old = gpu->major < FUT_CUDA_PROBE_MAJOR_MIN;
    bool in_use = (double)gpu->bytes_free < 0.9 * (double)gpu->bytes_total;
    FUT_TRY(fut_doctor_add(doctor,
                           too_old  ? FUT_MARK_BAD
                           : in_use ? FUT_MARK_WARN
                                    : FUT_MARK_OK,
                           section, name, "%s, compute capability %d.%d, %d multiprocessors, %.1f GiB, %.1f GiB free, %s at %s", gpu->name,
                           gpu->major, gpu->minor, gpu->multiprocessors, (double)gpu->bytes_total / 0x1p30,
                           (double)gpu->bytes_free / 0x1p30, gpu->uuid, gpu->bus));
    if (too_old)
        FUT_TRY(fut_doctor_advise(doctor, "backend cuda needs compute capability %d.0 or newer; use another GPU or backend cpu",
                                  FUT_CUDA_PROBE_MAJOR_MIN));
    if (!too_old && in_use)
        FUT_TRY(fut_doctor_advise(doctor, "another process holds its memory: nvidia-smi names it; end it if it is left over"));
    read_link_width(gpu->bus, "current_link_width", width, sizeof width);
    read_link_width(gpu->bus, "max_link_width", width_max, sizeof width_max);
    if (width[0] == '\0' || width_max[0] == '\0' || strcmp(width, width_max) == 0) return FUT_OK;
    (void)snprintf(name, sizeof name, "GPU %d PCIe", i);
    FUT_TRY(fut_doctor_add(doctor, FUT_MARK_WARN, section, name, "%s of %s lanes", width, width_max));
    return fut_doctor_advise(doctor, "uploads are slower: move the card to a full slot or seat it again");
}

/* Which pairs reach each other without the host. */
static fut_status look_at_links(fut_doctor *doctor, const fut_cuda_probe *p)
{
    fut_str apart = {0};
    fut_status st = FUT_OK;
    int pairs = 0;
    int direct = 0;
    if (p->gpus < 2) return FUT_OK;
    for (int i = 0; i < p->gpus; i++)
        for (int j = i + 1; j < p->gpus; j++) {
            bool reach = p->gpu[i].reaches[j] && p->gpu[j].reaches[i];
            pairs++;
            direct += reach;
            if (!reach && pairs - direct <= 8) FUT_TRY_GOTO(fut_str_printf(&apart, " %d-%d", i, j), out);
        }
    if (direct == pairs) {
        st = fut_doctor_add(doctor, FUT_MARK_OK, section, "links", "every GPU reaches every other directly (%d pairs)", pairs);
        goto out;
    }
    FUT_TRY_GOTO(fut_doctor_add(doctor, FUT_MARK_WARN, section, "links", "%d of %d pairs go through the host:%s%s", pairs - direct, pairs,
                                fut_str_text(&apart), pairs - direct > 8 ? " ..." : ""),
                 out);
    st = fut_doctor_advise(
        doctor, "all-reduces are slower: on servers switch ACS off and use GPUs under one PCIe switch (nvidia-smi topo -m); cards "
                "without NVLink or P2P have no other way");
out:
    fut_str_fini(&apart);
    return st;
}

static fut_status look_at_models(fut_doctor *doctor, const fut_cuda_probe *p)
{
    for (int i = 1; i < p->gpus; i++) {
        if (strcmp(p->gpu[i].name, p->gpu[0].name) == 0) continue;
        FUT_TRY(fut_doctor_add(doctor, FUT_MARK_WARN, section, "models", "GPU %d is a %s, GPU 0 a %s", i, p->gpu[i].name, p->gpu[0].name));
        return fut_doctor_advise(doctor, "one run takes GPUs of one model: choose them by CUDA_VISIBLE_DEVICES");
    }
    return FUT_OK;
}

static fut_status look_at_gpus(fut_doctor *doctor, const fut_cuda_probe *p)
{
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    if (visible != NULL)
        FUT_TRY(
            fut_doctor_add(doctor, visible[0] != '\0' ? FUT_MARK_OK : FUT_MARK_WARN, section, "CUDA_VISIBLE_DEVICES", "\"%s\"", visible));
    if (visible != NULL && visible[0] == '\0') FUT_TRY(fut_doctor_advise(doctor, "empty, it hides every GPU: unset it"));
    if (p->gpus == 0) {
        FUT_TRY(fut_doctor_add(doctor, FUT_MARK_ABSENT, section, "GPUs", "none%s%s", p->trouble[0] != '\0' ? ": " : "", p->trouble));
        return fut_doctor_advise(doctor, "backend auto takes the CPU");
    }
    for (int i = 0; i < p->gpus; i++) {
        FUT_TRY(look_at_gpu(doctor, &p->gpu[i], i));
        doctor->gpus += p->gpu[i].trouble[0] == '\0' && p->gpu[i].major >= FUT_CUDA_PROBE_MAJOR_MIN;
    }
    FUT_TRY(look_at_models(doctor, p));
    return look_at_links(doctor, p);
}

fut_status fut_doctor_gpu(fut_doctor *doctor)
{
    fut_status st = FUT_OK;
    fut_cuda_probe *probe = NULL;
    bool has_driver = false;
    bool loaded = false;
    FUT_TRY_GOTO(look_at_driver(doctor, &has_driver), out);
    FUT_TRY_GOTO(FUT_NEW(&probe), out);
    FUT_TRY_GOTO(look_at_cuda_module(doctor, has_driver, probe, &loaded), out);
    FUT_TRY_GOTO(look_at_nccl_module(doctor, has_driver), out);
    if (!loaded) goto out;
    if (probe->driver > 0 && probe->driver / 1000 < probe->runtime_found / 1000) {
        FUT_TRY_GOTO(fut_doctor_add(doctor, FUT_MARK_BAD, section, "driver", "knows CUDA up to %d.%d, this build needs %d.0",
                                    probe->driver / 1000, probe->driver % 1000 / 10, probe->runtime_found / 1000),
                     out);
        FUT_TRY_GOTO(fut_doctor_advise(doctor, "update the driver"), out);
    }
    st = look_at_gpus(doctor, probe);
out:
    fut_mem_free(probe);
    return st;
}
