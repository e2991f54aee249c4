/* The CPU backend: choice of instruction set, layout of activations, the table of kernels. */
#include "core/backend/cpu/cpu_impl.h"

#include "core/backend/host.h"
#include "core/base/mem.h"

#include <cpuid.h>
#include <stdio.h>
#include <string.h>

static void cpu_info(fut_backend *bk, fut_backend_info *info_out)
{
    const fut_cpu *cpu = fut_cpu_of(bk);
    *info_out = (fut_backend_info){
        .device = cpu->device,
        .library = cpu->library,
        .threads = cpu->threads,
        .deterministic = true,
        .model = "",
        .uuid = "",
    };
    fut_mem_machine(&info_out->bytes_free, &info_out->bytes_total);
}

static int64_t blocks_of(const fut_cpu *cpu, int64_t channels)
{
    return (channels + cpu->simd->lanes - 1) / cpu->simd->lanes;
}

static size_t cpu_act_bytes(fut_backend *bk, fut_shape4 shape, fut_dtype dtype)
{
    const fut_cpu *cpu = fut_cpu_of(bk);
    int64_t channels = shape.c == 3 ? 3 : blocks_of(cpu, shape.c) * cpu->simd->lanes;
    return (size_t)(shape.n * channels * shape.h * shape.w) * fut_dtype_size(dtype);
}

fut_status fut_cpu_layout_of(const fut_backend *bk, const char *kernel, fut_shape4 shape, fut_dtype dtype, fut_cpu_layout *layout_out)
{
    const fut_cpu *cpu = fut_cpu_of(bk);
    FUT_CHECK(shape.n > 0 && shape.c > 0 && shape.h > 0 && shape.w > 0, FUT_ERR_SHAPE, "%s: sizes must be positive", kernel);
    FUT_CHECK(shape.c != 3, FUT_ERR_UNSUPPORTED, "cpu backend, %s: activations of 3 channels are images, which only convolutions read",
              kernel);
    fut_cpu_layout layout = {
        .lanes = cpu->simd->lanes,
        .blocks = blocks_of(cpu, shape.c),
        .pixels = shape.h * shape.w,
        .bf16 = dtype == FUT_BF16,
    };
    layout.planes = shape.n * layout.blocks;
    layout.pixel_bytes = (size_t)layout.lanes * fut_dtype_size(dtype);
    layout.plane_bytes = (size_t)layout.pixels * layout.pixel_bytes;
    *layout_out = layout;
    return FUT_OK;
}

fut_status fut_cpu_check_dtype(const fut_backend *bk, const char *kernel, fut_dtype dtype, fut_dtype real)
{
    const fut_cpu *cpu = fut_cpu_of(bk);
    FUT_CHECK(real == FUT_F32, FUT_ERR_UNSUPPORTED, "cpu backend, %s: parameters of %s; it keeps them in f32 (backend 'ref' has f64)",
              kernel, fut_dtype_name(real));
    FUT_CHECK(dtype == FUT_F32 || dtype == FUT_BF16, FUT_ERR_UNSUPPORTED, "cpu backend, %s: activations of %s; it has f32 and bf16", kernel,
              fut_dtype_name(dtype));
    FUT_CHECK(dtype == FUT_F32 || cpu->has_bf16, FUT_ERR_UNSUPPORTED,
              "cpu backend, %s: activations of bf16, but this processor has no avx512_bf16; use f32", kernel);
    return FUT_OK;
}

void fut_cpu_op_free(fut_op *op)
{
    fut_mem_free(op);
}

/* The processor's own name, without the padding some put around it. */
static void brand_name(char *text, size_t size)
{
    unsigned int word[12] = {0};
    char name[sizeof word + 1] = {0};
    for (unsigned int i = 0; i < 3; i++)
        if (!__get_cpuid(0x80000002u + i, &word[4 * i], &word[4 * i + 1], &word[4 * i + 2], &word[4 * i + 3])) break;
    memcpy(name, word, sizeof word);
    const char *first = name + strspn(name, " ");
    size_t length = strlen(first);
    while (length > 0 && first[length - 1] == ' ')
        length--;
    (void)snprintf(text, size, "%.*s", (int)length, length ? first : "x86-64");
}

static void cpu_destroy(fut_backend *bk)
{
    fut_cpu *cpu = (fut_cpu *)bk;
    fut_dnnl_destroy(&cpu->dnnl);
    fut_mem_free(cpu);
}

static const fut_backend cpu_backend = {
    .name = "cpu",
    .info = cpu_info,
    .limits = fut_cpu_limits,
    .act_bytes = cpu_act_bytes,
    .destroy = cpu_destroy,
#define FUT_KERNEL(kernel, args) .kernel = fut_cpu_##kernel,
#include "core/backend/kernels.def"
#undef FUT_KERNEL
};

fut_status fut_backend_create_cpu(const fut_backend_options *options, fut_backend **bk_out)
{
    int threads = options->threads;
    fut_status st = FUT_OK;
    fut_cpu *cpu = NULL;
    char brand[64], version[32];
    FUT_TRY(FUT_NEW(&cpu));
    /* oneDNN's view decides for the own kernels too: both must agree on the channel block. */
    fut_dnnl_isa isa = fut_dnnl_get_isa();
    cpu->backend = cpu_backend;
    fut_host_device_half(&cpu->backend);
    cpu->threads = threads;
    cpu->has_bf16 = isa.bf16;
    cpu->simd = isa.avx512 ? &fut_simd_table_avx512 : isa.avx2 ? &fut_simd_table_avx2 : &fut_simd_table_sse2;
    FUT_TRY_GOTO(fut_dnnl_create(threads, &cpu->dnnl), out);
    brand_name(brand, sizeof brand);
    fut_dnnl_version(version, sizeof version);
    (void)snprintf(cpu->device, sizeof cpu->device, "%s (%s, %d thread%s)", brand, cpu->simd->isa, threads, threads == 1 ? "" : "s");
    (void)snprintf(cpu->library, sizeof cpu->library, "%s, %s", version, isa.name);
    *bk_out = &cpu->backend;
    cpu = NULL;
out:
    if (cpu) cpu_destroy(&cpu->backend);
    return st;
}
