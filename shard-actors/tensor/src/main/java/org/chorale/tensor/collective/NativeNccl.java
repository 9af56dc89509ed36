// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Collection;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.cuda.global.nccl;
import org.bytedeco.cuda.nccl.ncclComm;
import org.bytedeco.cuda.nccl.ncclConfig_t;
import org.bytedeco.cuda.nccl.ncclUniqueId;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.collective.Collectives.Reduction;
import org.chorale.tensor.device.DeviceStream;
import org.jspecify.annotations.Nullable;

/** NCCL as the machine has it, with communicators that do not block the host. */
final class NativeNccl implements NcclLibrary {
    /** 2.28.9, of which the configuration below is. Later ones take it, too. */
    private static final int OLDEST = 2_28_09;

    private static final int CONFIG_BYTES = 80;
    private static final int CONFIG_MAGIC = 0xcafebeef;
    private static final int UNDEFINED = Integer.MIN_VALUE;
    private static final long UNDEFINED_TEXT = 0;
    private static final int NON_BLOCKING = 0;

    private static @Nullable NativeNccl loaded;

    private final int version;

    private NativeNccl() {
        int[] found = new int[1];
        check("ncclGetVersion", nccl.ncclGetVersion(found));
        version = found[0];
        if (version < OLDEST) {
            throw new IllegalStateException("NCCL %s is too old: 2.28.9 or later is needed".formatted(name(version)));
        }
    }

    /**
     * Loads the library at the first call.
     *
     * @throws IllegalStateException where the machine has none, or an old one
     */
    static synchronized NativeNccl load() {
        NativeNccl library = loaded;
        if (library == null) {
            try {
                library = new NativeNccl();
            } catch (LinkageError e) {
                throw new IllegalStateException(
                        "GPUs work together through NCCL, which could not be loaded (libnccl.so.2: " + e.getMessage()
                                + "); `chorale doctor` says how to get it",
                        e);
            }
            loaded = library;
        }
        return library;
    }

    private static String name(int version) {
        return version / 10_000 + "." + version / 100 % 100 + "." + version % 100;
    }

    @Override
    public int version() {
        return version;
    }

    @Override
    public byte[] newUniqueId() {
        try (TensorScope scope = new TensorScope()) {
            ncclUniqueId id = new ncclUniqueId();
            check("ncclGetUniqueId", nccl.ncclGetUniqueId(id));
            byte[] bytes = new byte[NcclCollectives.ID_BYTES];
            new BytePointer(id).get(bytes);
            return bytes;
        }
    }

    @Override
    public Communicator begin(byte[] id, DeviceStream stream, int rank, int worldSize) {
        ncclComm handle = new ncclComm();
        try (TensorScope scope = new TensorScope()) {
            ncclUniqueId unique = new ncclUniqueId(new BytePointer(id));
            ncclConfig_t config = new ncclConfig_t(new BytePointer(config(version)));
            int status = nccl.ncclCommInitRankConfig(handle, worldSize, unique, rank, config);
            if (status != IN_PROGRESS) {
                check("ncclCommInitRankConfig", status);
            }
        }
        return new Native(handle, stream.handle());
    }

    /**
     * An {@code ncclConfig_t} as 2.28 has it. Its size stands in it, so that later libraries, where it is longer, take
     * the rest for undefined, as is everything here that is not set.
     */
    static byte[] config(int version) {
        ByteBuffer config = ByteBuffer.allocate(CONFIG_BYTES).order(ByteOrder.nativeOrder());
        config.putLong(CONFIG_BYTES).putInt(CONFIG_MAGIC).putInt(version).putInt(NON_BLOCKING);
        config.putInt(UNDEFINED).putInt(UNDEFINED).putInt(UNDEFINED); // cgaClusterSize, minCTAs, maxCTAs
        config.putLong(UNDEFINED_TEXT); // netName
        config.putInt(UNDEFINED).putInt(UNDEFINED); // splitShare, trafficClass
        config.putLong(UNDEFINED_TEXT); // commName
        while (config.hasRemaining()) { // collnetEnable, CTAPolicy, shrinkShare, nvlsCTAs, and two of channels
            config.putInt(UNDEFINED);
        }
        return config.array();
    }

    @Override
    public void abort(Collection<? extends Communicator> communicators) {
        // in one call, since operations of one may wait on this GPU behind those of another
        check("ncclGroupStart", nccl.ncclGroupStart());
        communicators.forEach(communicator -> nccl.ncclCommAbort(((Native) communicator).handle));
        nccl.ncclGroupEnd(); // what went wrong with one that is given up is no news
    }

    @Override
    public String text(int status) {
        try (TensorScope scope = new TensorScope()) {
            return nccl.ncclGetErrorString(status).getString() + " (" + status + ")";
        }
    }

    private void check(String call, int status) {
        if (status != SUCCESS) {
            throw new CollectiveException(call + ": " + text(status));
        }
    }

    private record Native(ncclComm handle, @Nullable CUstream_st stream) implements Communicator {
        @Override
        public int state() {
            int[] state = new int[1];
            int status = nccl.ncclCommGetAsyncError(handle, state);
            return status == SUCCESS ? state[0] : status;
        }

        @Override
        public int allGather(Tensor whole, Tensor part) {
            return nccl.ncclAllGather(part.data_ptr(), whole.data_ptr(), part.nbytes(), nccl.ncclInt8, handle, stream);
        }

        @Override
        public int reduceScatter(Tensor part, Tensor whole) {
            return nccl.ncclReduceScatter(
                    whole.data_ptr(), part.data_ptr(), part.numel(), type(part), nccl.ncclSum, handle, stream);
        }

        @Override
        public int allReduce(Tensor values, Reduction reduction) {
            int operation = reduction == Reduction.SUM ? nccl.ncclSum : nccl.ncclMax;
            return nccl.ncclAllReduce(
                    values.data_ptr(), values.data_ptr(), values.numel(), type(values), operation, handle, stream);
        }

        @Override
        public int broadcast(Tensor values, int root) {
            return nccl.ncclBroadcast(
                    values.data_ptr(), values.data_ptr(), values.nbytes(), nccl.ncclInt8, root, handle, stream);
        }

        @Override
        public int send(Tensor values, int to) {
            return nccl.ncclSend(values.data_ptr(), values.nbytes(), nccl.ncclInt8, to, handle, stream);
        }

        @Override
        public int receive(Tensor values, int from) {
            return nccl.ncclRecv(values.data_ptr(), values.nbytes(), nccl.ncclInt8, from, handle, stream);
        }

        @Override
        public int finish() {
            return nccl.ncclCommFinalize(handle);
        }

        @Override
        public int destroy() {
            return nccl.ncclCommDestroy(handle);
        }

        /** Of what can be reduced; what is only moved are bytes. */
        private static int type(Tensor values) {
            ScalarType type = values.scalar_type().intern();
            return switch (type) {
                case Float -> nccl.ncclFloat32;
                case Double -> nccl.ncclFloat64;
                case Long -> nccl.ncclInt64;
                default -> throw new IllegalArgumentException(type + " cannot be reduced");
            };
        }
    }
}
