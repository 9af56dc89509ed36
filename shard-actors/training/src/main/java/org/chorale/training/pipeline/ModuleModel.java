// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.pipeline;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.StringTensorDict;
import org.bytedeco.pytorch.StringTensorDictItem;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.HeldTensors;

/**
 * A module of libtorch's own kind as a model: its parameters become views of the shard's memory, and begin with the values
 * that the module was made with. Works in the process that made it.
 */
public final class ModuleModel implements AutogradModel {
    private final String name;
    private final Module module;
    private final BiFunction<NamedTensors, Context, NamedTensors> forward;
    private final Map<String, Tensor> tensors = new LinkedHashMap<>();
    private final List<LearnableParameter> parameters = new ArrayList<>();

    /**
     * Wraps a module. It stays alive for as long as the process does.
     *
     * @param forward calls the module's layers
     */
    @SuppressWarnings("MustBeClosedChecker") // as alive as the module, which nobody closes
    public ModuleModel(String name, Module module, BiFunction<NamedTensors, Context, NamedTensors> forward) {
        this.name = name;
        this.module = module;
        this.forward = forward;
        HeldTensors owner = new HeldTensors();
        owner.hold(module);
        StringTensorDict named = module.named_parameters();
        for (long i = 0; i < named.size(); i++) {
            StringTensorDictItem item = named.get(i);
            Tensor tensor = owner.hold(new Tensor(item.access()));
            Tensor first = owner.hold(tensor.detach().clone());
            String key = item.key().getString();
            tensors.put(key, tensor);
            parameters.add(new LearnableParameter(
                    key,
                    LongStream.of(tensor.shape()).boxed().toList(),
                    (target, generator) -> target.copy_(first),
                    tensor.requires_grad()));
        }
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public List<LearnableParameter> parameters() {
        return List.copyOf(parameters);
    }

    @Override
    public NamedTensors forward(NamedTensors inputs, Context context, Function<String, Tensor> given) {
        module.train(context.step() > 0);
        return forward.apply(inputs, context);
    }

    /** The module's own parameter, moved to where the shard holds it now. */
    @Override
    public Tensor leaf(LearnableParameter parameter, Tensor value) {
        Tensor own = Objects.requireNonNull(tensors.get(parameter.name()));
        own.set_data(value);
        own.set_requires_grad(parameter.trainable());
        return own;
    }
}
