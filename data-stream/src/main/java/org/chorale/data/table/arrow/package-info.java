/**
 * Before the first step of a batch: the rows of Arrow's IPC format, files and streams. Arrow's own library would open
 * the JDK's internals, a flag for every JVM that embeds Chorale; only its message format is used here, and buffers are
 * read through windows on the file, so that a batch of any size takes little memory.
 */
@NullMarked
package org.chorale.data.table.arrow;

import org.jspecify.annotations.NullMarked;
