// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.example.moons;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import javax.imageio.ImageIO;

/** Squares with points in them, side by side, as a PNG. Pixels are set one by one, which needs no display and no fonts. */
final class PointPicture {
    private static final int SIDE = 360;
    private static final int GAP = 12;
    private static final double REACH = 2; // from the middle of a square to its edges
    private static final int WHITE = 0xffffff;
    private static final int GREY = 0xd0d0d0;

    private PointPicture() {}

    /**
     * Points, and what colour they have.
     *
     * @param rgb 0xRRGGBB
     */
    record Panel(List<float[]> points, int rgb) {}

    static void write(List<Panel> panels, Path file) throws IOException {
        BufferedImage image =
                new BufferedImage(panels.size() * (SIDE + GAP) + GAP, SIDE + 2 * GAP, BufferedImage.TYPE_INT_RGB);
        fill(image, 0, 0, image.getWidth(), image.getHeight(), GREY);
        for (int i = 0; i < panels.size(); i++) {
            draw(image, panels.get(i), GAP + i * (SIDE + GAP));
        }
        if (!ImageIO.write(image, "png", file.toFile())) {
            throw new IOException(file + ": this Java writes no PNG");
        }
    }

    private static void draw(BufferedImage image, Panel panel, int left) {
        fill(image, left, GAP, SIDE, SIDE, WHITE);
        for (float[] point : panel.points()) {
            long x = Math.round((point[0] + REACH) / (2 * REACH) * SIDE);
            long y = Math.round((REACH - point[1]) / (2 * REACH) * SIDE);
            if (x >= 1 && x < SIDE - 1 && y >= 1 && y < SIDE - 1) { // others are outside of the picture
                fill(image, left + (int) x - 1, GAP + (int) y - 1, 2, 2, panel.rgb());
            }
        }
    }

    private static void fill(BufferedImage image, int left, int top, int width, int height, int rgb) {
        for (int y = top; y < top + height; y++) {
            for (int x = left; x < left + width; x++) {
                image.setRGB(x, y, rgb);
            }
        }
    }
}
