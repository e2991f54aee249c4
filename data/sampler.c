#include "data/sampler.h"

#include "core/base/mem.h"

#include <string.h>

/* People are numbered by first appearance in the list of labels, as pytorch-metric-learning's get_labels_to_indices does. */
struct fut_sampler {
    fut_sampler_config config;
    fut_sampler_counts counts;
    int64_t *first;  /* [n_people + 1]: images of person p are image[first[p] .. first[p + 1]) */
    int64_t *image;  /* image ids, in the order of the list */
    int64_t *people; /* current order of people */
    fut_mt19937 mt;

    int64_t *pass_people; /* order of people and generator when the current pass began */
    fut_mt19937 pass_mt;
    int64_t *ids; /* the current pass */
    int64_t pass_length;
    int64_t pass, position;
    int64_t *scratch; /* [most images of a person] */
    int64_t *chosen;  /* [m] */
};

/* Length of a pass and rounds in it: MPerClassSampler.__init__ and calculate_num_iters. */
static fut_status plan_pass(const fut_sampler_config *config, int64_t n_people, int64_t *round_out, int64_t *rounds_out)
{
    int64_t m = config->m;
    int64_t everyone = 0;
    FUT_CHECK(m >= 1 && config->batch >= 0 && config->length >= 1, FUT_ERR_CONFIG,
              "sampler: m %lld, batch %lld and length %lld must be positive", (long long)m, (long long)config->batch,
              (long long)config->length);
    FUT_CHECK(!__builtin_mul_overflow(m, n_people, &everyone) && everyone <= INT32_MAX, FUT_ERR_CONFIG,
              "sampler: m %lld times %lld people is more than a pass can hold", (long long)m, (long long)n_people);
    FUT_CHECK(config->length <= INT32_MAX, FUT_ERR_CONFIG, "sampler: length %lld is above %d", (long long)config->length, INT32_MAX);
    if (config->batch > 0) {
        FUT_CHECK(config->batch % m == 0, FUT_ERR_CONFIG, "sampler: batch %lld is not a multiple of m %lld", (long long)config->batch,
                  (long long)m);
        FUT_CHECK(config->batch <= config->length, FUT_ERR_CONFIG, "sampler: batch %lld is larger than length %lld",
                  (long long)config->batch, (long long)config->length);
        FUT_CHECK(config->batch <= everyone, FUT_ERR_CONFIG,
                  "sampler: batch %lld needs %lld people at m %lld, the train part has %lld with enough photos", (long long)config->batch,
                  (long long)(config->batch / m), (long long)m, (long long)n_people);
    }
    int64_t round = config->batch > 0 ? config->batch : everyone;
    int64_t rounds = config->length / round;
    *round_out = round;
    *rounds_out = rounds > 0 ? rounds : 1;
    return FUT_OK;
}

/* One pass: MPerClassSampler.__iter__. */
static void begin_pass(fut_sampler *s)
{
    int64_t m = s->config.m;
    int64_t people_a_round = s->config.batch > 0 ? s->config.batch / m : s->counts.n_people;
    s->pass_mt = s->mt;
    memcpy(s->pass_people, s->people, (size_t)s->counts.n_people * sizeof *s->people);
    for (int64_t at = 0; at < s->pass_length;) {
        fut_mt_shuffle(&s->mt, s->people, s->counts.n_people);
        for (int64_t i = 0; i < people_a_round; i++, at += m) {
            const int64_t *image = s->image + s->first[s->people[i]];
            int64_t count = s->first[s->people[i] + 1] - s->first[s->people[i]];
            fut_mt_choice(&s->mt, count, m, count < m, s->scratch, s->chosen);
            for (int64_t j = 0; j < m; j++)
                s->ids[at + j] = image[s->chosen[j]];
        }
    }
    s->position = 0;
}

/* Number people by first appearance, leaving out those with fewer than min_images; count and group their images. */
static fut_status group_people(fut_sampler *s, const int64_t *images, const int32_t *labels, int64_t n, int64_t *count_max_out)
{
    fut_status st = FUT_OK;
    int64_t *count = NULL;  /* of a label */
    int64_t *person = NULL; /* number of a label's person plus 1; 0 = not seen, -1 = left out */
    int64_t *next = NULL;   /* where a person's next image goes */
    int64_t labels_end = 0;
    int64_t n_kept = 0;
    for (int64_t i = 0; i < n; i++)
        if (labels[i] >= labels_end) labels_end = (int64_t)labels[i] + 1;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(labels_end, &count), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(labels_end, &person), out);
    for (int64_t i = 0; i < n; i++)
        count[labels[i]]++;
    for (int64_t i = 0; i < n; i++) {
        int32_t label = labels[i];
        if (person[label] == 0) person[label] = count[label] < s->config.min_images ? -1 : ++s->counts.n_people;
        n_kept += person[label] > 0;
    }
    FUT_TRY_GOTO(FUT_NEW_ARRAY(s->counts.n_people + 1, &s->first), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(n_kept, &s->image), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(s->counts.n_people, &next), out);
    *count_max_out = 0;
    for (int64_t label = 0; label < labels_end; label++) {
        s->counts.n_left_out += person[label] < 0;
        if (person[label] <= 0) continue;
        s->first[person[label]] = count[label];
        s->counts.n_repeating += count[label] < s->config.m;
        s->counts.n_single += count[label] == 1;
        if (count[label] > *count_max_out) *count_max_out = count[label];
    }
    for (int64_t p = 0; p < s->counts.n_people; p++) {
        next[p] = s->first[p];
        s->first[p + 1] += s->first[p];
    }
    for (int64_t i = 0; i < n; i++)
        if (person[labels[i]] > 0) s->image[next[person[labels[i]] - 1]++] = images[i];
out:
    fut_mem_free(next);
    fut_mem_free(person);
    fut_mem_free(count);
    return st;
}

fut_status fut_sampler_create(const fut_sampler_config *config, const int64_t *images, const int32_t *labels, int64_t n,
                              fut_sampler **sampler_out)
{
    fut_status st = FUT_OK;
    fut_sampler *s = NULL;
    int64_t round = 0;
    int64_t rounds = 0;
    int64_t count_max = 0;
    FUT_TRY_GOTO(FUT_NEW(&s), out);
    s->config = *config;
    FUT_TRY_GOTO(group_people(s, images, labels, n, &count_max), out);
    FUT_CHECK_GOTO(s->counts.n_people > 0, FUT_ERR_CONFIG, out,
                   "sampler: none of the %lld people in the train part has %lld photos or more; lower min_images",
                   (long long)s->counts.n_left_out, (long long)config->min_images);
    FUT_TRY_GOTO(plan_pass(config, s->counts.n_people, &round, &rounds), out);
    s->pass_length = round * rounds;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(s->counts.n_people, &s->people), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(s->counts.n_people, &s->pass_people), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(s->pass_length, &s->ids), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(count_max, &s->scratch), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(config->m, &s->chosen), out);
    for (int64_t p = 0; p < s->counts.n_people; p++)
        s->people[p] = p;
    fut_mt_seed(&s->mt, config->seed);
    begin_pass(s);
    *sampler_out = s;
    s = NULL;
out:
    fut_sampler_destroy(&s);
    return st;
}

void fut_sampler_destroy(fut_sampler **sampler)
{
    fut_sampler *s = *sampler;
    if (s == NULL) return;
    fut_mem_free(s->first);
    fut_mem_free(s->image);
    fut_mem_free(s->people);
    fut_mem_free(s->pass_people);
    fut_mem_free(s->ids);
    fut_mem_free(s->scratch);
    fut_mem_free(s->chosen);
    fut_mem_free(s);
    *sampler = NULL;
}

int64_t fut_sampler_pass_length(const fut_sampler *sampler)
{
    return sampler->pass_length;
}

int64_t fut_sampler_pass(const fut_sampler *sampler)
{
    return sampler->pass;
}

int64_t fut_sampler_position(const fut_sampler *sampler)
{
    return sampler->position;
}

fut_sampler_counts fut_sampler_get_counts(const fut_sampler *sampler)
{
    return sampler->counts;
}

void fut_sampler_next(fut_sampler *sampler, int64_t batch, int64_t *ids_out, int64_t *n_out, bool *last_out)
{
    if (sampler->position == sampler->pass_length) {
        sampler->pass++;
        begin_pass(sampler);
    }
    int64_t left = sampler->pass_length - sampler->position;
    int64_t n = batch < left ? batch : left;
    memcpy(ids_out, sampler->ids + sampler->position, (size_t)n * sizeof *ids_out);
    sampler->position += n;
    *n_out = n;
    *last_out = n == left;
}

fut_status fut_sampler_get_state(const fut_sampler *sampler, fut_sampler_state *state_out)
{
    fut_sampler_state state = {
        .mt_position = sampler->pass_mt.pos, .pass = sampler->pass, .position = sampler->position, .n_people = sampler->counts.n_people};
    FUT_TRY(FUT_NEW_ARRAY(state.n_people, &state.people));
    memcpy(state.people, sampler->pass_people, (size_t)state.n_people * sizeof *state.people);
    memcpy(state.key, sampler->pass_mt.key, sizeof state.key);
    *state_out = state;
    return FUT_OK;
}

fut_status fut_sampler_set_state(fut_sampler *sampler, const fut_sampler_state *state)
{
    fut_status st = FUT_OK;
    uint8_t *seen = NULL;
    FUT_CHECK(state->n_people == sampler->counts.n_people, FUT_ERR_DATA,
              "sampler state: it holds %lld people, this data and configuration have %lld", (long long)state->n_people,
              (long long)sampler->counts.n_people);
    FUT_CHECK(state->mt_position >= 0 && state->mt_position <= FUT_MT_WORDS && state->pass >= 0 && state->position >= 0 &&
                  state->position <= sampler->pass_length,
              FUT_ERR_DATA, "sampler state: position %lld of a pass of %lld, generator at word %lld of %d", (long long)state->position,
              (long long)sampler->pass_length, (long long)state->mt_position, FUT_MT_WORDS);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(state->n_people, &seen), out);
    for (int64_t i = 0; i < state->n_people; i++) {
        int64_t p = state->people[i];
        FUT_CHECK_GOTO(p >= 0 && p < state->n_people && seen[p] == 0, FUT_ERR_DATA, out,
                       "sampler state: the order of people is no permutation at place %lld", (long long)i);
        seen[p] = 1;
    }
    memcpy(sampler->people, state->people, (size_t)state->n_people * sizeof *state->people);
    memcpy(sampler->mt.key, state->key, sizeof state->key);
    sampler->mt.pos = (int32_t)state->mt_position;
    begin_pass(sampler);
    sampler->pass = state->pass;
    sampler->position = state->position;
out:
    fut_mem_free(seen);
    return st;
}

void fut_sampler_state_fini(fut_sampler_state *state)
{
    fut_mem_free(state->people);
    *state = (fut_sampler_state){0};
}
