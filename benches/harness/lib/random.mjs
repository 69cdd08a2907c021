// Seeded randomness: the same numbers on every machine and in every run.

/** A 32-bit generator of one word of state (a Weyl sequence through a mixing function). */
export class Random {
  constructor(seed) {
    this.state = Math.imul(seed, 0x9e3779b1) >>> 0;
    this.spare = undefined;
  }

  /** An integer in [0, 2^32). */
  word() {
    this.state = (this.state + 0x9e3779b9) >>> 0;
    let z = this.state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  }

  /** A number in [0, 1). */
  uniform() {
    return this.word() / 2 ** 32;
  }

  /** An integer in [0, n). */
  below(n) {
    return Math.floor(this.uniform() * n);
  }

  /** A normally distributed number with mean 0 and variance 1; they are generated in pairs. */
  normal() {
    if (this.spare !== undefined) {
      const value = this.spare;
      this.spare = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    const angle = 2 * Math.PI * this.uniform();
    this.spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** Shuffles the array in place. */
  shuffle(array) {
    for (let i = array.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [array[i], array[j]] = [array[j], array[i]];
    }
    return array;
  }
}
