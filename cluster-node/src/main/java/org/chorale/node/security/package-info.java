/**
 * Decides who may speak to a node: makes certificates, checks them before a node starts, and configures Artery's TLS
 * with them.
 *
 * <p>Both ends of every connection show a certificate of the cluster's own authority, over TLS 1.3. Who checks what:
 *
 * <ul>
 *   <li>Whoever connects checks that the certificate of the other end names the host that it connects to.
 *   <li>Whoever is connected to checks that the certificate is one for clients and names a host, and that a connection
 *       to its port comes from an address of a host that the certificate names. Artery does not say which of its
 *       connections a certificate came over, so that somebody who has stolen a node's key and connects from elsewhere is
 *       refused only while the node itself is not connected. Whoever has such a key can speak for its node.
 *   <li>Artery answers over a connection of its own, to the address that the other end claims, and sends nothing but
 *       greetings before it has an answer. So a node whose certificate does not name its address reaches nobody.
 * </ul>
 */
@NullMarked
package org.chorale.node.security;

import org.jspecify.annotations.NullMarked;
