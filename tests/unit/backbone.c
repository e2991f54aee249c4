/* Backbones: the registry, sizes that are known, shapes that timm gives. */
#include "core/backbone/backbone.h"
#include "core/nn/graph_impl.h"
#include "tests/support/support.h"

#include <string.h>

static fut_graph *build(const fut_backbone *backbone, int64_t size, fut_value *features)
{
    fut_graph *graph = NULL;
    FUT_TEST_OK(fut_graph_create(size, &graph));
    *features = backbone->build(graph, 0);
    FUT_TEST_OK(fut_graph_status(graph));
    return graph;
}

static void check_counts(const fut_backbone *backbone, int64_t params, int tensors)
{
    fut_value features;
    fut_graph *graph = build(backbone, 224, &features);
    assert_int_equal(graph->param_count, params);
    assert_int_equal(graph->tensor_count, tensors);
    fut_graph_destroy(&graph);
}

static void parameter_counts_are_timms(void **state)
{
    (void)state;
    /* state_dict entries without num_batches_tracked: 418 - 59; 296 - 49 - 2 of the classifier */
    check_counts(&fut_backbone_tf_efficientnetv2_b0, 5858704, 359);
    check_counts(&fut_backbone_tf_efficientnet_lite0, 3371008, 245);
}

static void features_of(const fut_backbone *backbone, int64_t size, int64_t channels, int64_t side)
{
    fut_value features;
    fut_graph *graph = build(backbone, size, &features);
    fut_shape4 shape = graph->values[features].shape;
    assert_int_equal(shape.c, channels);
    assert_int_equal(shape.h, side);
    assert_int_equal(shape.w, side);
    fut_graph_destroy(&graph);
}

static void any_size_works(void **state)
{
    (void)state;
    features_of(&fut_backbone_tf_efficientnetv2_b0, 224, 1280, 7);
    features_of(&fut_backbone_tf_efficientnetv2_b0, 112, 1280, 4);
    features_of(&fut_backbone_tf_efficientnetv2_b0, 97, 1280, 4);
    features_of(&fut_backbone_tf_efficientnet_lite0, 160, 1280, 5);
    features_of(&fut_backbone_tiny, 33, 64, 5);
    features_of(&fut_backbone_tiny, 1, 64, 1);
}

/* TensorFlow's SAME: an even input is padded after only, an odd one on both sides. */
static void stride_two_pads_as_tensorflow(void **state)
{
    (void)state;
    for (int64_t size = 32; size <= 33; size++) {
        fut_value features;
        fut_graph *graph = build(&fut_backbone_tiny, size, &features);
        const fut_node_conv *stem = &graph->nodes[0].conv;
        assert_int_equal(stem->pad_top, size % 2);
        assert_int_equal(stem->pad_left, size % 2);
        assert_int_equal(stem->pad_bottom, 1);
        assert_int_equal(stem->pad_right, 1);
        fut_graph_destroy(&graph);
    }
}

static void the_registry_names_each_once(void **state)
{
    (void)state;
    for (int i = 0; fut_backbones[i]; i++) {
        assert_non_null(fut_backbones[i]->doc);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(fut_backbones[i]->name, fut_backbones[k]->name);
    }
}

static void errors_of_a_graph_stick(void **state)
{
    (void)state;
    fut_graph *graph = NULL;
    char name[200];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    FUT_TEST_OK(fut_graph_create(8, &graph));
    fut_value x = fut_graph_conv(graph, 0, name, 4, 3, 1, 1);
    x = fut_graph_norm_act(graph, x, "bn", 1e-3, FUT_ACT_RELU, FUT_VALUE_NONE);
    x = fut_graph_global_pool(graph, x);
    fut_graph_linear(graph, x, "embedder", 2);
    FUT_TEST_FAILS(fut_graph_status(graph), FUT_ERR_INTERNAL, "longer than");
    fut_graph_destroy(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameter_counts_are_timms),    cmocka_unit_test(any_size_works),
        cmocka_unit_test(stride_two_pads_as_tensorflow), cmocka_unit_test(the_registry_names_each_once),
        cmocka_unit_test(errors_of_a_graph_stick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
