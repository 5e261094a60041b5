// Times that go on changing while they are looked at.

/** Call `tick` with the seconds since now, at once and each second, until the returned function is called. */
export function countUp(tick) {
  const began = Date.now();
  return everySecond(() => tick(Math.floor((Date.now() - began) / 1000)));
}

/** Call `tick` with the seconds left until `end` (ms since the epoch), each second, the last time with 0. */
export function countDown(end, tick) {
  return everySecond(() => {
    const left = Math.max(0, Math.ceil((end - Date.now()) / 1000));
    tick(left);
    return left > 0;
  });
}

/** 75 → "1:15". */
export function clock(seconds) {
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const parts = hours ? [hours, String(minutes).padStart(2, "0")] : [minutes];
  return [...parts, String(rest).padStart(2, "0")].join(":");
}

function everySecond(tick) {
  if (tick() === false) return () => {};
  const timer = setInterval(() => tick() === false && clearInterval(timer), 1000);
  return () => clearInterval(timer);
}
