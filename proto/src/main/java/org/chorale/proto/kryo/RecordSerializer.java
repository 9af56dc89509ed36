// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.kryo;

import com.esotericsoftware.kryo.Kryo;
import com.esotericsoftware.kryo.KryoException;
import com.esotericsoftware.kryo.Serializer;
import com.esotericsoftware.kryo.io.Input;
import com.esotericsoftware.kryo.io.Output;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Modifier;
import java.lang.reflect.RecordComponent;
import java.util.Arrays;

/**
 * A record as its components in order, none of them null, read through its own constructor, so that what the record
 * checks is checked again on the other side. (Kryo's own lets nulls pass.)
 */
final class RecordSerializer extends Serializer<Record> {
    private final RecordComponent[] components;
    private final Constructor<? extends Record> constructor;

    RecordSerializer(Class<? extends Record> type) {
        components = type.getRecordComponents();
        try {
            constructor = type.getDeclaredConstructor(
                    Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new));
        } catch (NoSuchMethodException e) {
            throw new IllegalStateException(type + " has no canonical constructor", e);
        }
    }

    @Override
    public void write(Kryo kryo, Output output, Record message) {
        for (RecordComponent component : components) {
            Object value = value(component, message);
            if (isExact(component)) {
                kryo.writeObject(output, value, kryo.getSerializer(component.getType()));
            } else {
                kryo.writeClassAndObject(output, value);
            }
        }
    }

    @Override
    public Record read(Kryo kryo, Input input, Class<? extends Record> type) {
        Object[] values = new Object[components.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = isExact(components[i])
                    ? kryo.readObject(input, components[i].getType())
                    : kryo.readClassAndObject(input);
            if (values[i] == null) {
                throw new KryoException(type.getSimpleName() + "." + components[i].getName() + " is missing");
            }
        }
        try {
            return constructor.newInstance(values);
        } catch (ReflectiveOperationException e) {
            throw new KryoException(type.getSimpleName() + " refuses what was read", e);
        }
    }

    /** Whether the declared type is the value's own, so that its id need not travel. */
    private static boolean isExact(RecordComponent component) {
        return Modifier.isFinal(component.getType().getModifiers());
    }

    private static Object value(RecordComponent component, Record message) {
        try {
            return component.getAccessor().invoke(message);
        } catch (IllegalAccessException | InvocationTargetException e) {
            throw new KryoException(message.getClass() + " hides " + component.getName(), e);
        }
    }
}
