// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.golden;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * What Transformers 5 calls parameters in memory, where it is not what files do. All experts of a layer are two tensors
 * there: gate over up of each, [E, 2F, D], and down, [E, D, F].
 */
final class TransformersNames {
    private static final String PUBLISHED_NEOX_HEAD = "embed_out.";
    private static final String HEAD = "lm_head.";
    private static final String PUBLISHED_MIXTURE = ".block_sparse_moe.";
    private static final String MIXTURE = ".mlp.";
    private static final String GATE_AND_UP = ".experts.gate_up_proj";
    private static final String DOWN = ".experts.down_proj";
    private static final Pattern EXPERT =
            Pattern.compile("(.+)\\.experts\\.\\d+\\.(?:(w1|w3|gate_proj|up_proj)|w2|down_proj)\\.weight");

    private TransformersNames() {}

    /** @param published the name in the files */
    static String inMemory(String published) {
        String stacked = stacked(published);
        return stacked.startsWith(PUBLISHED_NEOX_HEAD)
                ? HEAD + stacked.substring(PUBLISHED_NEOX_HEAD.length())
                : stacked;
    }

    /** The name of the tensor that an expert's is a part of; any other parameter's own. */
    static String stacked(String published) {
        Matcher expert = EXPERT.matcher(published);
        String name = expert.matches() ? expert.group(1) + (expert.group(2) == null ? DOWN : GATE_AND_UP) : published;
        return name.replace(PUBLISHED_MIXTURE, MIXTURE);
    }

    /**
     * Names in memory, each with those of its parts in files.
     *
     * @param published in the model's order: expert by expert, gate before up
     */
    static Map<String, List<String>> parts(Collection<String> published, UnaryOperator<String> inMemory) {
        return published.stream().collect(Collectors.groupingBy(inMemory, LinkedHashMap::new, Collectors.toList()));
    }

    /** The tensor of {@link #parts}, in the open scope. */
    static Tensor whole(String inMemory, List<Tensor> parts) {
        boolean gates = inMemory.endsWith(GATE_AND_UP);
        if (!gates && !inMemory.endsWith(DOWN)) {
            return parts.get(0);
        }
        long experts = gates ? parts.size() / 2 : parts.size();
        TensorVector all = new TensorVector();
        parts.forEach(all::push_back);
        return torch.cat(all, 0).view(experts, -1, parts.get(0).size(1));
    }
}
