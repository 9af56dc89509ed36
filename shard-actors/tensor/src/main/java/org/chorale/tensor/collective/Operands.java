// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.device.Device;
import org.jspecify.annotations.Nullable;

/** What an operation of a group may be given, checked on the calling rank before anything is sent. */
final class Operands {
    /** Of a group that copies nothing between memories. */
    static final Operands ANYWHERE = new Operands(null);

    private static final Set<ScalarType> REDUCIBLE = Set.of(ScalarType.Float, ScalarType.Double, ScalarType.Long);

    private final @Nullable Device device; // null for any

    private Operands(@Nullable Device device) {
        this.device = device;
    }

    /** Of a group whose tensors lie there. */
    static Operands on(Device device) {
        return new Operands(device);
    }

    /** A buffer is dense memory of the device, of any type and any number of values, zero included. */
    void checkBuffer(String operation, Tensor tensor) {
        if (!tensor.is_contiguous() || (device != null && !Device.of(tensor).equals(device))) {
            throw new IllegalArgumentException(
                    operation + ": a contiguous tensor" + place() + " is needed, not " + describe(tensor));
        }
    }

    private String place() {
        if (device == null) {
            return "";
        }
        return device.isCuda() ? " on " + device : " in host memory";
    }

    /** {@code whole} is {@code parts} times as long as {@code part}, and of its type. */
    void checkPart(String operation, Tensor whole, Tensor part, int parts) {
        checkBuffer(operation, whole);
        checkBuffer(operation, part);
        if (whole.numel() != parts * part.numel() || type(whole) != type(part)) {
            throw new IllegalArgumentException(operation + ": the whole has to be " + parts
                    + " times as long as a rank's part and of its type, not " + describe(whole) + " beside "
                    + describe(part));
        }
    }

    /** Values of this type can be added and compared. */
    void checkReducible(String operation, Tensor tensor) {
        checkBuffer(operation, tensor);
        if (!REDUCIBLE.contains(type(tensor))) {
            throw new IllegalArgumentException(
                    operation + ": " + describe(tensor) + " cannot be reduced; Float, Double and Long can");
        }
    }

    /** The rank is one of the group's. */
    static void checkRank(String operation, int rank, int worldSize) {
        if (rank < 0 || rank >= worldSize) {
            throw new IllegalArgumentException(
                    operation + ": there is no rank " + rank + " in a group of " + worldSize);
        }
    }

    /** The rank is another one of the group's. */
    static void checkPeer(String operation, int peer, int rank, int worldSize) {
        checkRank(operation, peer, worldSize);
        if (peer == rank) {
            throw new IllegalArgumentException(operation + ": rank " + rank + " cannot be its own peer");
        }
    }

    /** The ranks are different ones of the group, and this one is among them. */
    static void checkSubgroup(String name, List<Integer> ranks, int rank, int worldSize) {
        ranks.forEach(member -> checkRank("subgroup " + name, member, worldSize));
        if (!ranks.contains(rank) || new HashSet<>(ranks).size() != ranks.size()) {
            throw new IllegalArgumentException(
                    "subgroup " + name + ": needs different ranks with rank " + rank + " among them, not " + ranks);
        }
    }

    /** Copies as many values as there are, unless they are the same memory. Inside an open scope. */
    static void copy(Tensor to, Tensor from) {
        if (to.numel() > 0 && !to.data_ptr().equals(from.data_ptr())) {
            to.view(to.numel()).copy_(from.view(from.numel()));
        }
    }

    private static String describe(Tensor tensor) {
        return type(tensor)
                + Arrays.toString(tensor.shape())
                + (tensor.is_contiguous() ? "" : " with gaps")
                + (tensor.is_cuda() ? " on " + Device.of(tensor) : "");
    }

    private static ScalarType type(Tensor tensor) {
        return tensor.scalar_type().intern();
    }
}
