// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.arrow;

import java.nio.file.Path;
import org.chorale.data.table.*;
public final class ArrowTable { public static void convert(Path p, JsonLines l) throws java.io.IOException, TableException { throw new TableException("todo"); } }
