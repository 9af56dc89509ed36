// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.limit.TemplateException;

/** Makes values of JSON, as Python's {@code json.loads} does. */
public final class JsonValues {
    private JsonValues() {}

    public static Value of(JsonNode node, Budget budget) {
        return switch (node.getNodeType()) {
            case STRING -> StrValue.of(node.textValue());
            case BOOLEAN -> BoolValue.of(node.booleanValue());
            case NULL, MISSING -> NoneValue.NONE;
            case NUMBER -> number(node);
            case ARRAY -> list(node, budget);
            case OBJECT -> dict(node, budget);
            default -> throw TemplateException.operation("a value of kind " + node.getNodeType() + " is not JSON");
        };
    }

    private static Value number(JsonNode node) {
        if (node.isIntegralNumber()) {
            return node.canConvertToLong() ? IntValue.of(node.longValue()) : IntValue.of(node.bigIntegerValue());
        }
        return new FloatValue(node.doubleValue());
    }

    private static Value list(JsonNode node, Budget budget) {
        budget.enter();
        budget.makeElements(node.size());
        List<Value> elements = new ArrayList<>(node.size());
        for (JsonNode element : node) {
            elements.add(of(element, budget));
        }
        budget.leave();
        return new ListValue(elements);
    }

    private static Value dict(JsonNode node, Budget budget) {
        budget.enter();
        DictValue dict = new DictValue();
        for (Map.Entry<String, JsonNode> field : node.properties()) {
            dict.put(StrValue.of(field.getKey()), of(field.getValue(), budget), budget);
        }
        budget.leave();
        return dict;
    }
}
