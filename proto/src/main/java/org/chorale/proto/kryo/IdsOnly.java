// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.kryo;

import com.esotericsoftware.kryo.KryoException;
import com.esotericsoftware.kryo.Registration;
import com.esotericsoftware.kryo.io.Input;
import com.esotericsoftware.kryo.util.DefaultClassResolver;

/** Knows classes by id alone. Kryo would otherwise load a class that the bytes name, before it refuses to use it. */
final class IdsOnly extends DefaultClassResolver {
    @Override
    protected Registration readName(Input input) {
        throw new KryoException("the bytes name a class; classes travel as ids");
    }
}
