// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Dispatcher;
import org.bytedeco.pytorch.GenericList;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.IValueVector;
import org.bytedeco.pytorch.OperatorHandle;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorType;
import org.bytedeco.pytorch.Type;

/**
 * An ATen operator that has no Java method, called through libtorch's dispatcher. Costs about 2 µs more than a method.
 */
public final class Operator {
    /** An optional argument that is not given. */
    public static final Object NONE = new Object();

    /** A tensor that is not given where the schema says {@code Tensor} all the same: libtorch's undefined tensor. */
    public static final Object UNDEFINED = new Object();

    private final OperatorHandle handle;

    private Operator(OperatorHandle handle) {
        this.handle = handle;
    }

    /**
     * Looks an operator up by its qualified name, such as {@code aten::_fused_adamw_}.
     *
     * @throws RuntimeException where this libtorch does not have it
     */
    public static Operator named(String name) {
        return named(name, "");
    }

    /** Likewise, one of several that share the name, such as {@code dtype_out}. */
    public static Operator named(String name, String overload) {
        try (TensorScope lookup = new TensorScope()) {
            OperatorHandle handle = Dispatcher.singleton().findSchemaOrThrow(name, overload);
            handle.retainReference(); // the process owns it
            return new Operator(handle);
        }
    }

    /**
     * Calls the operator inside an open scope, which frees the results.
     *
     * @param arguments all of the schema's arguments in order: a {@link Tensor}, a list of tensors, a {@code Double},
     *     {@code Long}, {@code Boolean}, {@link #NONE} or {@link #UNDEFINED}
     * @return those of the schema's results that are tensors, in order
     */
    public Tensor[] call(Object... arguments) {
        IValueVector stack = new IValueVector();
        for (Object argument : arguments) {
            stack.push_back(value(argument));
        }
        handle.callBoxed(stack);
        List<Tensor> results = new ArrayList<>();
        for (long i = 0; i < stack.size(); i++) {
            IValue result = stack.get(i);
            if (result.isTensor()) {
                results.add(new Tensor(result.toTensor())); // toTensor refers into the stack, which the scope frees
            }
        }
        return results.toArray(Tensor[]::new);
    }

    private static IValue value(Object argument) {
        if (argument instanceof Tensor tensor) {
            return new IValue(tensor);
        } else if (argument instanceof Double number) {
            return new IValue(number.doubleValue());
        } else if (argument instanceof Long number) {
            return new IValue(number.longValue());
        } else if (argument instanceof Boolean truth) {
            return new IValue(truth.booleanValue());
        } else if (argument instanceof List<?> tensors) {
            return new IValue(tensorList(tensors));
        } else if (argument == NONE) {
            return new IValue();
        } else if (argument == UNDEFINED) {
            return new IValue(new Tensor());
        }
        throw new IllegalArgumentException("no operator takes a " + argument.getClass());
    }

    private static GenericList tensorList(List<?> tensors) {
        GenericList list = new GenericList(new Type.TypePtr(TensorType.get()));
        for (Object tensor : tensors) {
            list.push_back(new IValue((Tensor) tensor));
        }
        return list;
    }
}
