// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.value.Arguments;
import org.chorale.data.template.value.BoolValue;
import org.chorale.data.template.value.DictValue;
import org.chorale.data.template.value.StrValue;
import org.chorale.data.template.value.TextBuilder;
import org.chorale.data.template.value.TupleValue;
import org.chorale.data.template.value.UndefinedValue;
import org.chorale.data.template.value.Value;
import org.jspecify.annotations.Nullable;

/** A macro where it was defined, or the body of a {@code call} block: a function whose value is what it writes. */
record Macro(MacroBody body, Frame defined) implements Value {
    @Override
    public String typeName() {
        return "jinja2.runtime.Macro";
    }

    @Override
    public void appendText(TextBuilder out) {
        out.append(body.name() == null ? "<Macro anonymous>" : "<Macro '" + body.name() + "'>");
    }

    @Override
    public boolean isCallable() {
        return true;
    }

    @Override
    public Value call(Arguments arguments, Budget budget) {
        Frame frame = defined.inner();
        Map<String, Value> named = new HashMap<>(arguments.named());
        List<Value> positional = arguments.positional();
        List<String> missing = new ArrayList<>();
        for (int i = 0; i < body.parameters().size(); i++) {
            String name = body.parameters().get(i);
            Value value = i < positional.size() ? positional.get(i) : named.remove(name);
            if (value == null) {
                missing.add(name);
            } else {
                frame.set(name, value);
            }
        }
        bindSpecial(frame, arguments, named);
        missing.forEach(name -> frame.set(name, otherwise(name, frame)));
        int line = defined.rendering().line();
        String text = defined.rendering().captured(() -> body.block().run(frame));
        defined.rendering().at(line);
        return StrValue.of(text);
    }

    private void bindSpecial(Frame frame, Arguments arguments, Map<String, Value> named) {
        if (body.usesCaller() && !body.parameters().contains("caller")) {
            Value caller = named.remove("caller");
            frame.set("caller", caller == null ? UndefinedValue.because("No caller defined") : caller);
        }
        if (body.usesNamed()) {
            DictValue rest = new DictValue();
            named.forEach((name, value) -> rest.put(StrValue.of(name), value, frame.budget()));
            frame.set("kwargs", rest);
        } else if (!named.isEmpty()) {
            throw TemplateException.operation("macro '%s' takes no keyword argument '%s'"
                    .formatted(body.name(), named.keySet().iterator().next()));
        }
        List<Value> positional = arguments.positional();
        int taken = Math.min(positional.size(), body.parameters().size());
        if (body.usesPositional()) {
            frame.set("varargs", TupleValue.of(positional.subList(taken, positional.size())));
        } else if (taken < positional.size()) {
            throw TemplateException.operation("macro '%s' takes not more than %d argument(s)"
                    .formatted(body.name(), body.parameters().size()));
        }
    }

    private Value otherwise(String name, Frame frame) {
        int place = body.parameters().indexOf(name)
                - body.parameters().size()
                + body.defaults().size();
        return place < 0
                ? UndefinedValue.because("parameter '" + name + "' was not provided")
                : frame.value(body.defaults().get(place));
    }

    @Override
    public @Nullable Value attribute(String name) {
        return switch (name) {
            case "name" -> StrValue.of(String.valueOf(body.name()));
            case "arguments" ->
                TupleValue.of(
                        body.parameters().stream().<Value>map(StrValue::of).toList());
            case "catch_kwargs" -> BoolValue.of(body.usesNamed());
            case "catch_varargs" -> BoolValue.of(body.usesPositional());
            case "caller" -> BoolValue.of(body.usesCaller());
            default -> null;
        };
    }
}
