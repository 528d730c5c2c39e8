// Figures, as people read them.

export const NOTHING = "–";

export const percent = (value) => (Number.isFinite(value) ? `${value < 9.95 ? value.toFixed(1) : Math.round(value)} %` : NOTHING);

export function bytes(value) {
  if (!Number.isFinite(value)) return NOTHING;
  const units = ["B", "KB", "MB", "GB", "TB"];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 9.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

export function duration(seconds) {
  if (!Number.isFinite(seconds)) return NOTHING;
  const whole = Math.max(0, Math.floor(seconds));
  const [days, hours, minutes] = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60];
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${whole % 60} s` : `${whole} s`;
}

/** The time of day, in the 24 hours that logs have. */
export const clock = (seconds) => new Date(seconds * 1000).toTimeString().slice(0, 8);

export const number = (value, one, many) => `${value.toLocaleString("en")} ${value === 1 ? one : many}`;
