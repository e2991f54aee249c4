/* Checkpoints: what is written is read back bit for bit, anything changed is refused, no failed allocation leaks or crashes. */
#include "core/base/mem.h"
#include "launch/config.h"
#include "launch/model.h"
#include "launch/saver.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* A network, its optimizer and what else a checkpoint keeps. */
typedef struct training {
    fut_config *config;
    fut_backend *bk;
    fut_net *net;
    fut_optim *optim;
} training;

static void training_init_with(training *t, const char *embedding, const fut_params *loss)
{
    static const double mean[3] = {.5, .5, .5};
    static const double std[3] = {.25, .25, .25};
    const char *const sets[] = {"data.file=x.h5", "data.size=16", "backend=ref", "model.backbone=tiny", embedding};
    *t = (training){0};
    FUT_TEST_OK(fut_config_load(NULL, sets, 5, &t->config));
    FUT_TEST_OK(fut_model_create(t->config, &(fut_model_place){.threads = 1}, mean, std, loss, &t->bk, &t->net));
    FUT_TEST_OK(fut_optim_create(t->bk, &t->config->optimizer, FUT_F32, fut_net_param_count(t->net), &t->optim));
}

static void training_init(training *t, const char *embedding)
{
    training_init_with(t, embedding, NULL);
}

static void training_fini(training *t)
{
    fut_optim_destroy(&t->optim);
    fut_net_destroy(&t->net);
    fut_backend_destroy(&t->bk);
    fut_config_destroy(&t->config);
}

static void fill(float *values, int64_t n, float start)
{
    for (int64_t i = 0; i < n; i++)
        values[i] = start + (float)i * 1e-4F;
}

/* Values that no fresh network has. `ref` keeps device memory on the host. */
static void make_distinct(training *t)
{
    fill(fut_net_params(t->net), fut_net_param_count(t->net), -1);
    fill(fut_net_stats(t->net), fut_net_stat_count(t->net), 2);
    for (int i = 0; i < t->optim->slots; i++)
        fill(t->optim->slot[i], t->optim->count, 10 + (float)i);
    *fut_net_steps_tracked(t->net) = 123;
    FUT_TEST_OK(fut_optim_set_control(t->optim, &(fut_step_control){.steps = 123, .scale = 1, .unscale = 1, .finite = 1}));
}

static fut_sampler_state make_sampler(int64_t *people)
{
    fut_sampler_state sampler = {.mt_position = 17, .pass = 2, .position = 5, .people = people, .n_people = 3};
    for (int i = 0; i < FUT_MT_WORDS; i++)
        sampler.key[i] = (uint32_t)i * 2654435761U;
    return sampler;
}

static const fut_progress progress_written = {
    .step = 41, .epoch = 3, .batch = 7, .best_step = 20, .best_value = 0.1, .threshold = 0.7000000000000001, .eer = 0.125};

static void write_with(training *t, const fut_loss *loss, const char *path)
{
    int64_t people[3] = {2, 0, 1};
    fut_sampler_state sampler = make_sampler(people);
    fut_checkpoint_meta meta = {
        .shards = 8, .threads = 2, .dataset_fingerprint = 0xfedcba9876543210U, .mean = {.1, .2, .3}, .std = {1, 2, 3}, .crop = .6};
    FUT_TEST_OK(fut_str_printf(&meta.config, "run: x\nseed: 0\n"));
    FUT_TEST_OK(fut_str_printf(&meta.library, "a library"));
    FUT_TEST_OK(fut_str_printf(&meta.model, "a model"));
    fut_checkpoint_state state_written = {0};
    FUT_TEST_OK(fut_checkpoint_take(&state_written, &progress_written, t->net, NULL, t->optim, loss, &sampler));
    FUT_TEST_OK(fut_checkpoint_write(path, &meta, &state_written));
    fut_checkpoint_state_fini(&state_written);
    fut_checkpoint_meta_fini(&meta);
}

static void write_one(training *t, const char *path)
{
    write_with(t, NULL, path);
}

static void reads_back_what_was_written(void **state)
{
    fut_step_control control;
    (void)state;
    fut_test_dir dir = {0};
    char path[FUT_TEST_PATH_MAX];
    char written[65];
    char read[65];
    training from;
    training to;
    fut_checkpoint_meta meta = {0};
    fut_progress progress = {0};
    fut_sampler_state sampler = {0};
    fut_test_dir_create(&dir);
    training_init(&from, "model.embedding=8");
    training_init(&to, "model.embedding=8");
    make_distinct(&from);
    write_one(&from, fut_test_dir_path(&dir, "a.h5", path));

    FUT_TEST_OK(fut_checkpoint_read_meta(path, &meta, &progress));
    assert_int_equal(meta.shards, 8);
    assert_int_equal(meta.threads, 2);
    assert_true(meta.dataset_fingerprint == 0xfedcba9876543210U);
    assert_string_equal(fut_str_text(&meta.config), "run: x\nseed: 0\n");
    assert_string_equal(fut_str_text(&meta.library), "a library");
    assert_string_equal(fut_str_text(&meta.model), "a model");
    assert_true(meta.mean[2] == .3 && meta.std[1] == 2 && meta.crop == .6);
    assert_memory_equal(&progress, &progress_written, sizeof progress);

    FUT_TEST_OK(fut_checkpoint_read(path, to.net, to.optim, &sampler));
    assert_memory_equal(fut_net_params(to.net), fut_net_params(from.net), (size_t)fut_net_param_count(to.net) * sizeof(float));
    assert_memory_equal(fut_net_stats(to.net), fut_net_stats(from.net), (size_t)fut_net_stat_count(to.net) * sizeof(float));
    for (int i = 0; i < to.optim->slots; i++)
        assert_memory_equal(to.optim->slot[i], from.optim->slot[i], (size_t)to.optim->count * sizeof(float));
    assert_int_equal(*fut_net_steps_tracked(to.net), 123);
    FUT_TEST_OK(fut_optim_get_control(to.optim, &control));
    assert_int_equal(control.steps, 123);
    int64_t people[3] = {2, 0, 1};
    fut_sampler_state expected = make_sampler(people);
    assert_memory_equal(sampler.key, expected.key, sizeof expected.key);
    assert_int_equal(sampler.mt_position, 17);
    assert_int_equal(sampler.pass, 2);
    assert_int_equal(sampler.position, 5);
    assert_int_equal(sampler.n_people, 3);
    assert_memory_equal(sampler.people, people, sizeof people);

    FUT_TEST_OK(fut_model_digest(from.net, written));
    FUT_TEST_OK(fut_model_digest(to.net, read));
    assert_string_equal(read, written);
    ((float *)fut_net_stats(to.net))[0] += 1;
    FUT_TEST_OK(fut_model_digest(to.net, read));
    assert_string_not_equal(read, written);

    fut_sampler_state_fini(&sampler);
    fut_checkpoint_meta_fini(&meta);
    training_fini(&from);
    training_fini(&to);
    fut_test_dir_remove(&dir);
}

/* A loss's parameters come back with the optimizer's state of them; a network without them reads the model all the same, and its digest is
 * the model's. */
static void keeps_the_parameters_of_a_loss(void **state)
{
    (void)state;
    static const fut_params loss = {.n = 1, .param = {{.name = "W", .rank = 2, .dim = {5, 8}, .init = {FUT_INIT_NORMAL, 1}}}};
    fut_test_dir dir = {0};
    char path[FUT_TEST_PATH_MAX];
    char written[65];
    char read[65];
    training from;
    training to;
    training plain;
    fut_test_dir_create(&dir);
    training_init_with(&from, "model.embedding=8", &loss);
    training_init_with(&to, "model.embedding=8", &loss);
    training_init(&plain, "model.embedding=8");
    make_distinct(&from);
    write_one(&from, fut_test_dir_path(&dir, "a.h5", path));
    FUT_TEST_OK(fut_checkpoint_read(path, to.net, to.optim, NULL));
    assert_memory_equal(fut_net_params(to.net), fut_net_params(from.net), (size_t)fut_net_param_count(to.net) * sizeof(float));
    for (int i = 0; i < to.optim->slots; i++)
        assert_memory_equal(to.optim->slot[i], from.optim->slot[i], (size_t)to.optim->count * sizeof(float));
    FUT_TEST_OK(fut_checkpoint_read(path, plain.net, NULL, NULL));
    FUT_TEST_OK(fut_model_digest(from.net, written));
    FUT_TEST_OK(fut_model_digest(plain.net, read));
    assert_string_equal(read, written);
    write_one(&plain, path);
    FUT_TEST_FAILS(fut_checkpoint_read(path, to.net, NULL, NULL), FUT_ERR_DATA, "/loss");
    training_fini(&from);
    training_fini(&to);
    training_fini(&plain);
    fut_test_dir_remove(&dir);
}

enum { BATCH = 4 };

/* The loss of t's configuration with a memory, which `batches` have entered. */
static fut_loss *make_loss(const training *t, int64_t memory, int64_t dim, int64_t people, int batches)
{
    fut_loss *loss = NULL;
    fut_loss_sizes sizes = {.batch = BATCH, .rows = BATCH, .dim = dim, .classes = people, .memory = memory};
    FUT_TEST_OK(fut_loss_create(t->bk, &t->config->loss, NULL, FUT_F32, &sizes, &loss));
    for (int b = 0; b < batches; b++) {
        float e[BATCH * 8];
        int64_t label[BATCH], image[BATCH];
        fill(e, BATCH * dim, (float)b);
        for (int i = 0; i < BATCH; i++) {
            label[i] = (b + i) % people;
            image[i] = 100 * b + i;
        }
        FUT_TEST_OK(fut_loss_begin(loss, BATCH, e, label, image));
    }
    return loss;
}

static void assert_same_memory(const fut_row_memory *got, const fut_row_memory *expected)
{
    assert_int_equal(got->size, expected->size);
    assert_memory_equal(got->e, expected->e, (size_t)(expected->size * expected->dim) * sizeof(float));
    assert_memory_equal(got->label, expected->label, (size_t)expected->size * sizeof *expected->label);
    assert_memory_equal(got->image, expected->image, (size_t)expected->size * sizeof *expected->image);
    assert_int_equal(*got->entered % got->size, *expected->entered % expected->size);
}

/* A memory that is not full yet, one that is just full, and one that went round. */
static void keeps_the_memory_of_a_loss(void **state)
{
    (void)state;
    fut_test_dir dir = {0};
    char path[FUT_TEST_PATH_MAX];
    training t;
    fut_test_dir_create(&dir);
    training_init(&t, "model.embedding=8");
    fut_test_dir_path(&dir, "a.h5", path);
    for (int batches = 0; batches <= 4; batches++) {
        fut_loss *from = make_loss(&t, 8, 8, 5, batches), *to = make_loss(&t, 8, 8, 5, 1);
        write_with(&t, from, path);
        FUT_TEST_OK(fut_checkpoint_read_memory(path, to));
        assert_same_memory(&to->memory, &from->memory);
        fut_loss_destroy(&from);
        fut_loss_destroy(&to);
    }
    fut_loss *begun = make_loss(&t, 8, 8, 5, 0), *empty = make_loss(&t, 8, 8, 5, 0);
    write_one(&t, path); /* of a run that had none */
    FUT_TEST_OK(fut_checkpoint_read_memory(path, begun));
    assert_same_memory(&begun->memory, &empty->memory);
    fut_loss_destroy(&begun);
    fut_loss_destroy(&empty);
    training_fini(&t);
    fut_test_dir_remove(&dir);
}

static void refuses_another_memory(void **state)
{
    (void)state;
    static const struct {
        int64_t size, dim, people;
        fut_status status;
        const char *why;
    } others[] = {
        {12, 8, 5, FUT_ERR_CONFIG, "its memory is of 8 embeddings, memory.size is now 12: put it back"},
        {8, 8, 6, FUT_ERR_CONFIG, "its memory has labels of 5 people, now 6 are trained on"},
        {8, 4, 5, FUT_ERR_DATA, "/loss/memory/embeddings"},
    };
    fut_test_dir dir = {0};
    char path[FUT_TEST_PATH_MAX];
    training t;
    fut_test_dir_create(&dir);
    training_init(&t, "model.embedding=8");
    fut_loss *from = make_loss(&t, 8, 8, 5, 3), *same = make_loss(&t, 8, 8, 5, 0);
    write_with(&t, from, fut_test_dir_path(&dir, "a.h5", path));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        fut_loss *to = make_loss(&t, others[i].size, others[i].dim, others[i].people, 0);
        FUT_TEST_FAILS(fut_checkpoint_read_memory(path, to), others[i].status, others[i].why);
        fut_loss_destroy(&to);
    }
    from->memory.label[2] = 5; /* `ref` keeps device memory on the host */
    write_with(&t, from, path);
    FUT_TEST_FAILS(fut_checkpoint_read_memory(path, same), FUT_ERR_DATA, "/loss/memory/labels has 5 at place 2, of 5 people");
    from->memory.label[2] = 4;
    *from->memory.entered = -3;
    write_with(&t, from, path);
    FUT_TEST_FAILS(fut_checkpoint_read_memory(path, same), FUT_ERR_DATA, "/loss/memory has pointer -3, its places are 0 to 7");
    fut_loss_destroy(&from);
    fut_loss_destroy(&same);
    training_fini(&t);
    fut_test_dir_remove(&dir);
}

static void refuses_other_networks_and_other_files(void **state)
{
    (void)state;
    fut_test_dir dir = {0};
    char path[FUT_TEST_PATH_MAX];
    training t;
    training other;
    fut_checkpoint_meta meta = {0};
    fut_progress progress;
    fut_test_dir_create(&dir);
    training_init(&t, "model.embedding=8");
    training_init(&other, "model.embedding=12");
    make_distinct(&t);
    write_one(&t, fut_test_dir_path(&dir, "a.h5", path));
    FUT_TEST_FAILS(fut_checkpoint_read(path, other.net, NULL, NULL), FUT_ERR_DATA, "/model/embedder.weight");
    fut_test_make_dataset(fut_test_dir_path(&dir, "faces.h5", path), 4, 2, 16);
    FUT_TEST_FAILS(fut_checkpoint_read_meta(path, &meta, &progress), FUT_ERR_DATA, "expected 'futago-checkpoint'");
    FUT_TEST_FAILS(fut_checkpoint_read_meta(fut_test_dir_path(&dir, "none.h5", path), &meta, &progress), FUT_ERR_NO_INPUT, "none.h5");
    training_fini(&t);
    training_fini(&other);
    fut_test_dir_remove(&dir);
}

/* A changed byte anywhere in the file is noticed before a tensor is used. */
static void refuses_every_changed_byte(void **state)
{
    (void)state;
    fut_test_dir dir = {0};
    char path[FUT_TEST_PATH_MAX];
    struct stat info;
    training t;
    fut_checkpoint_meta meta = {0};
    fut_progress progress;
    int accepted = 0;
    fut_test_dir_create(&dir);
    training_init(&t, "model.embedding=8");
    make_distinct(&t);
    write_one(&t, fut_test_dir_path(&dir, "a.h5", path));
    assert_int_equal(stat(path, &info), 0);
    for (int64_t at = 0; at < info.st_size; at += at < 64 ? 1 : info.st_size / 61) {
        fut_test_damage_file(path, at);
        fut_status st = fut_checkpoint_read_meta(path, &meta, &progress);
        if (st == FUT_OK) {
            accepted++;
            fut_checkpoint_meta_fini(&meta);
        } else {
            assert_int_equal(st, FUT_ERR_DATA);
            assert_non_null(strstr(fut_trail_message(), path));
        }
        fut_trail_clear();
        fut_test_damage_file(path, at); /* back */
    }
    FUT_TEST_OK(fut_checkpoint_read(path, t.net, t.optim, NULL));
    assert_int_equal(accepted, 0);
    training_fini(&t);
    fut_test_dir_remove(&dir);
}

static void survives_any_failed_allocation(void **state)
{
    (void)state;
    fut_test_dir dir = {0};
    char path[FUT_TEST_PATH_MAX];
    int64_t people[3] = {2, 0, 1};
    fut_sampler_state written = make_sampler(people);
    training t;
    fut_test_dir_create(&dir);
    training_init(&t, "model.embedding=8");
    fut_loss *loss = make_loss(&t, 8, 8, 5, 3);
    make_distinct(&t);
    write_with(&t, loss, fut_test_dir_path(&dir, "a.h5", path));
    int64_t held = fut_mem_bytes();
    fut_status st = FUT_ERR_NO_MEMORY;
    for (int64_t n = 1; st != FUT_OK; n++) {
        fut_checkpoint_meta meta = {0};
        fut_sampler_state sampler = {0};
        fut_progress progress;
        fut_checkpoint_state taken = {0};
        fut_mem_fail_after(n);
        st = fut_checkpoint_read_meta(path, &meta, &progress);
        if (st == FUT_OK) st = fut_checkpoint_read(path, t.net, t.optim, &sampler);
        if (st == FUT_OK) st = fut_checkpoint_read_memory(path, loss);
        if (st == FUT_OK) st = fut_checkpoint_take(&taken, &progress, t.net, NULL, t.optim, loss, &written);
        fut_mem_fail_after(0);
        fut_checkpoint_state_fini(&taken);
        fut_checkpoint_meta_fini(&meta);
        fut_sampler_state_fini(&sampler);
        assert_int_equal(fut_mem_bytes(), held);
        if (st != FUT_OK) assert_int_equal(st, FUT_ERR_NO_MEMORY);
        fut_trail_clear();
        assert_true(n < 10000);
    }
    fut_loss_destroy(&loss);
    training_fini(&t);
    fut_test_dir_remove(&dir);
}

/* What is saved is what there was when the save began, whatever training does to it while the file is written; a file that cannot be
 * written is an error only where it must be. */
static void training_goes_on_while_saving(void **state)
{
    (void)state;
    fut_test_dir dir = {0};
    char path[FUT_TEST_PATH_MAX];
    int64_t people[3] = {2, 0, 1};
    fut_sampler_state sampler = make_sampler(people);
    fut_checkpoint_meta meta = {.shards = 1, .threads = 1};
    fut_progress progress = {.best_step = 1};
    fut_saver *saver = NULL;
    training from;
    training to;
    fut_test_dir_create(&dir);
    training_init(&from, "model.embedding=8");
    training_init(&to, "model.embedding=8");
    size_t bytes = (size_t)fut_net_param_count(from.net) * sizeof(float);
    FUT_TEST_OK(fut_saver_create(dir.path, 2, &meta, &saver));
    fut_saver_poll(NULL);

    FUT_TEST_FAILS(fut_saver_save(saver, true, &progress, from.net, NULL, from.optim, NULL, &sampler), FUT_ERR_CANT_CREATE, "checkpoints");
    FUT_TEST_OK(fut_saver_save(saver, false, &progress, from.net, NULL, from.optim, NULL, &sampler));
    assert_int_equal(mkdir(fut_test_dir_path(&dir, "checkpoints", path), 0700), 0);
    for (progress.step = 1; progress.step <= 4; progress.step++) {
        fill(fut_net_params(from.net), fut_net_param_count(from.net), (float)progress.step);
        FUT_TEST_OK(fut_saver_save(saver, progress.step == 4, &progress, from.net, NULL, from.optim, NULL, &sampler));
        memset(fut_net_params(from.net), 0, bytes);
        fut_saver_poll(saver);
    }
    fut_saver_destroy(&saver);
    FUT_TEST_FAILS(fut_checkpoint_read(fut_test_dir_path(&dir, "checkpoints/step-000000002.h5", path), to.net, NULL, NULL),
                   FUT_ERR_NO_INPUT, "step-000000002.h5");
    for (int64_t step = 3; step <= 4; step++) {
        char name[64];
        (void)snprintf(name, sizeof name, "checkpoints/step-%09lld.h5", (long long)step);
        FUT_TEST_OK(fut_checkpoint_read(fut_test_dir_path(&dir, name, path), to.net, to.optim, NULL));
        fill(fut_net_params(from.net), fut_net_param_count(from.net), (float)step);
        assert_memory_equal(fut_net_params(to.net), fut_net_params(from.net), bytes);
    }
    FUT_TEST_OK(fut_checkpoint_read(fut_test_dir_path(&dir, "last.h5", path), to.net, NULL, NULL));
    FUT_TEST_OK(fut_checkpoint_read(fut_test_dir_path(&dir, "best.h5", path), to.net, NULL, NULL));
    training_fini(&to);
    training_fini(&from);
    fut_test_dir_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_back_what_was_written),    cmocka_unit_test(training_goes_on_while_saving),
        cmocka_unit_test(keeps_the_parameters_of_a_loss), cmocka_unit_test(refuses_other_networks_and_other_files),
        cmocka_unit_test(refuses_every_changed_byte),     cmocka_unit_test(survives_any_failed_allocation),
        cmocka_unit_test(keeps_the_memory_of_a_loss),     cmocka_unit_test(refuses_another_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
