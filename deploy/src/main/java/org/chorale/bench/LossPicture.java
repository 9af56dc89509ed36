// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.util.List;
import java.util.Locale;
import org.chorale.bench.LossCurves.Curve;

/** Loss over steps as an SVG picture: one line per run, axes with figures, and a legend. */
final class LossPicture {
    private static final int WIDTH = 720;
    private static final int HEIGHT = 400;
    private static final int LEFT = 60;
    private static final int RIGHT = 20;
    private static final int TOP = 20;
    private static final int BOTTOM = 50;
    private static final int GRID_LINES = 5;
    /** Told apart by people who see no red or no green too (Okabe and Ito 2008). */
    private static final List<String> COLOURS = List.of("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000");

    private final StringBuilder svg = new StringBuilder();
    private final int steps;
    private final double top; // nats

    private LossPicture(List<Curve> curves) {
        this.steps =
                curves.stream().mapToInt(curve -> curve.nats().length).max().orElse(1);
        this.top = Math.ceil(curves.stream().mapToDouble(Curve::largest).max().orElse(1));
    }

    static String of(List<Curve> curves) {
        LossPicture picture = new LossPicture(curves);
        picture.add(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\""
                        + " font-size=\"12\">",
                WIDTH, HEIGHT);
        picture.add("<rect width=\"%d\" height=\"%d\" fill=\"white\"/>", WIDTH, HEIGHT);
        picture.addGrid();
        for (int i = 0; i < curves.size(); i++) {
            picture.addCurve(curves.get(i), i);
        }
        picture.add("</svg>");
        return picture.svg.toString();
    }

    private void addGrid() {
        for (int i = 0; i <= GRID_LINES; i++) {
            double nats = top * i / GRID_LINES;
            add(
                    "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>",
                    LEFT, WIDTH - RIGHT, y(nats), y(nats));
            add("<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.1f</text>", LEFT - 8, y(nats) + 4, nats);
            int step = steps * i / GRID_LINES;
            add("<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%d</text>", x(step), HEIGHT - BOTTOM + 18, step);
        }
        add("<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">step</text>", WIDTH / 2, HEIGHT - 12);
        add(
                "<text x=\"16\" y=\"%d\" text-anchor=\"middle\" transform=\"rotate(-90 16 %d)\">loss, nats</text>",
                HEIGHT / 2, HEIGHT / 2);
    }

    private void addCurve(Curve curve, int index) {
        String colour = COLOURS.get(index % COLOURS.size());
        StringBuilder points = new StringBuilder();
        for (int i = 0; i < curve.nats().length; i++) {
            if (Double.isFinite(curve.nats()[i])) {
                points.append(String.format(Locale.ROOT, "%.1f,%.1f ", x(i + 1), y(curve.nats()[i])));
            }
        }
        add("<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"1.2\" points=\"%s\"/>", colour, points);
        int line = TOP + 16 * (index + 1);
        add("<text x=\"%d\" y=\"%d\" fill=\"%s\">%s</text>", WIDTH - RIGHT - 90, line, colour, curve.name());
    }

    private double x(int step) {
        return LEFT + (double) (WIDTH - LEFT - RIGHT) * step / steps;
    }

    private double y(double nats) {
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * nats / top;
    }

    private void add(String format, Object... arguments) {
        svg.append(String.format(Locale.ROOT, format, arguments)).append('\n');
    }
}
