interface Node<Member> {
  /** Some text that leads through this node; its first `depth` units lead from the root to it. */
  readonly text: string;
  readonly depth: number;
  readonly children: Map<number, Node<Member>>;
  readonly members: Set<Member>;
}

/**
 * Who wants texts that begin with what. A look-up takes time linear in the length of the text,
 * however many there are: nodes with one child and no members are joined, and none is looked at
 * twice. It compares UTF-16 units, as startsWith and endsWith do.
 *
 * Read backwards it answers who wants texts that end with what.
 */
export class AffixTree<Member> {
  readonly #isBackwards: boolean;
  readonly #root: Node<Member> = createNode("", 0);

  constructor(direction: "forwards" | "backwards") {
    this.#isBackwards = direction === "backwards";
  }

  get isEmpty(): boolean {
    return this.#root.members.size === 0 && this.#root.children.size === 0;
  }

  add(affix: string, member: Member): void {
    let node = this.#root;
    while (node.depth < affix.length) {
      const unit = this.#unit(affix, node.depth);
      const child = node.children.get(unit);
      if (child === undefined) {
        const leaf = createNode<Member>(affix, affix.length);
        node.children.set(unit, leaf);
        node = leaf;
      } else {
        node = this.#descend(node, child, affix);
      }
    }
    node.members.add(member);
  }

  remove(affix: string, member: Member): void {
    const way = this.#wayTo(affix);
    const node = way.at(-1);
    if (node === undefined || !node.members.delete(member)) return;
    this.#tidy(node, way.at(-2));
    const parent = way.at(-2);
    if (parent !== undefined) this.#tidy(parent, way.at(-3));
  }

  /** How many want exactly this affix. */
  count(affix: string): number {
    return this.#wayTo(affix).at(-1)?.members.size ?? 0;
  }

  /** Calls for each member of each affix of the text. */
  visit(text: string, found: (member: Member) => void): void {
    let node: Node<Member> | undefined = this.#root;
    while (node !== undefined) {
      for (const member of node.members) found(member);
      if (node.depth >= text.length) return;
      node = this.#follow(node, text);
    }
  }

  /** The child to which the text leads, if it leads all the way. */
  #follow(node: Node<Member>, text: string): Node<Member> | undefined {
    const child = node.children.get(this.#unit(text, node.depth));
    if (child === undefined || child.depth > text.length) return undefined;
    return this.#agree(child.text, text, node.depth) >= child.depth ? child : undefined;
  }

  /** The next node on the way to the affix, made by splitting the way to the child if need be. */
  #descend(node: Node<Member>, child: Node<Member>, affix: string): Node<Member> {
    const agreed = Math.min(this.#agree(child.text, affix, node.depth), child.depth);
    if (agreed === child.depth) return child;
    const between = createNode<Member>(affix, agreed);
    between.children.set(this.#unit(child.text, agreed), child);
    node.children.set(this.#unit(affix, node.depth), between);
    return between;
  }

  /** From the root to the node of the affix; empty when there is none. */
  #wayTo(affix: string): readonly Node<Member>[] {
    const way = [this.#root];
    for (let node = this.#root; node.depth < affix.length;) {
      const child = this.#follow(node, affix);
      if (child === undefined) return [];
      way.push(child);
      node = child;
    }
    return way;
  }

  /** Takes out a node that has become needless. */
  #tidy(node: Node<Member>, parent: Node<Member> | undefined): void {
    if (parent === undefined || node.members.size > 0 || node.children.size > 1) return;
    const unit = this.#unit(node.text, parent.depth);
    const [only] = node.children.values();
    if (only === undefined) parent.children.delete(unit);
    else parent.children.set(unit, only);
  }

  /** Up to where the two agree, from a depth on up to which they do. */
  #agree(left: string, right: string, from: number): number {
    const end = Math.min(left.length, right.length);
    let at = from;
    while (at < end && this.#unit(left, at) === this.#unit(right, at)) at += 1;
    return at;
  }

  #unit(text: string, at: number): number {
    return text.charCodeAt(this.#isBackwards ? text.length - 1 - at : at);
  }
}

function createNode<Member>(text: string, depth: number): Node<Member> {
  return { text, depth, children: new Map(), members: new Set() };
}
