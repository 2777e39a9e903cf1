/**
 * The clock for waits: milliseconds since some moment.
 *
 * The one idea: the device's clock may be set at any time; this one only goes on. What is shown to
 * people, or compared with another machine, needs the other one.
 */

export const monotonicMs = () => performance.now();
