// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.builtin;

import java.time.Clock;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.value.TextBuilder;

/** {@code datetime.now().strftime(format)}, in English. */
final class Strftime {
    private Strftime() {}

    static String format(Clock clock, String format, Budget budget) {
        LocalDateTime now = LocalDateTime.now(clock);
        TextBuilder out = new TextBuilder(budget);
        for (int at = 0; at < format.length(); at++) {
            char c = format.charAt(at);
            if (c != '%' || at + 1 == format.length()) {
                out.append(c);
                continue;
            }
            boolean unpadded = format.charAt(at + 1) == '-' && at + 2 < format.length();
            at += unpadded ? 2 : 1;
            String field = field(now, format.charAt(at));
            out.append(unpadded && field.length() > 1 ? field.replaceFirst("^[0 ]+(?=.)", "") : field);
        }
        return out.toString();
    }

    private static String field(LocalDateTime now, char directive) {
        String pattern = switch (directive) {
            case 'Y' -> "uuuu";
            case 'y' -> "uu";
            case 'm' -> "MM";
            case 'd' -> "dd";
            case 'e' -> "ppd";
            case 'H' -> "HH";
            case 'I' -> "hh";
            case 'M' -> "mm";
            case 'S' -> "ss";
            case 'f' -> "SSSSSS";
            case 'p' -> "a";
            case 'A' -> "EEEE";
            case 'a' -> "EEE";
            case 'B' -> "MMMM";
            case 'b', 'h' -> "MMM";
            case 'j' -> "DDD";
            case 'F' -> "uuuu-MM-dd";
            case 'T', 'X' -> "HH:mm:ss";
            case 'R' -> "HH:mm";
            case 'D', 'x' -> "MM/dd/uu";
            case 'c' -> "EEE MMM ppd HH:mm:ss uuuu";
            case 'n' -> "'\n'";
            case 't' -> "'\t'";
            case '%' -> "'%'";
            case 'z', 'Z' -> "";
            case 'u' -> "e";
            default -> throw TemplateException.operation("strftime_now does not know %" + directive);
        };
        return directive == 'u'
                ? Integer.toString(now.getDayOfWeek().getValue())
                : pattern.isEmpty()
                        ? ""
                        : DateTimeFormatter.ofPattern(pattern, Locale.ENGLISH).format(now);
    }
}
