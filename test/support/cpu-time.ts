/**
 * Milliseconds of processor time this process has used: what a bound on work is held against,
 * because the clock on the wall also counts what else the machine is busy with.
 */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
