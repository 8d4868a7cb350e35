import { write, writeSync } from 'node:fs';

/** Characters of log that wait for a reader at most; what comes on top is dropped, as a service matters more than its log. */
const MAX_WAITING = 1_048_576;
/** From one write to the next, at least: each is a job for libuv's pool, and wakes this thread once more. */
const WRITE_MILLISECONDS = 100;
/** Characters that are written sooner: what a pipe holds. */
const ENOUGH = 65_536;
/** From a pipe that was full to the next try; each one in a row waits twice as long as the one before, up to {@link MAX_RETRY_MILLISECONDS}. */
const RETRY_MILLISECONDS = 2;
const MAX_RETRY_MILLISECONDS = 100;
const EXIT_RETRY_MILLISECONDS = 20;
const EXIT_ATTEMPTS = 25;
const STANDARD_OUTPUT = 1;

/**
 * Where log lines go: a file descriptor, written beside the event loop. A reader that is slow, stuck or gone (a full pipe, a
 * full disk, EPIPE) delays no request and ends no process. A line goes out at once; where there are many, those of a tenth of a second go
 * out together, which a `kill -9` may lose.
 *
 * Why not pino's own destination: with a stuck pipe its synchronous form stops the event loop, and at exit its asynchronous
 * form tries again for ever when the disk is full.
 */
export class LogOutput {
  private waiting = '';
  private isBusy = false;
  /** When the newest write began (`performance.now()`). */
  private lastWrite = -Infinity;
  /** Until the next write may begin. */
  private pause: NodeJS.Timeout | undefined;
  private retry = RETRY_MILLISECONDS;
  /** Lines that were dropped since the start, and how many of them somebody was told of. */
  private lost = 0;
  private toldOf = 0;
  private tell: (lines: number) => void = () => undefined;

  /** @param fd An open file descriptor, such as 1 for the standard output. */
  constructor(private readonly fd: number) {
    // What a crash or `process.exit` leaves behind is the part of the log that matters most.
    process.on('exit', () => this.flushAtExit());
  }

  /** @param tell Is told how many lines have been dropped since the start, when some have and others get through again; may log that. */
  onLoss(tell: (lines: number) => void): void {
    this.tell = tell;
  }

  /** Takes one or more whole lines. */
  write(lines: string): void {
    if (this.waiting.length + lines.length > MAX_WAITING) {
      this.lost += linesIn(lines);
      return;
    }
    this.waiting += lines;
    if (!this.isBusy) {
      this.isBusy = true;
      this.next();
    } else if (this.pause !== undefined && this.waiting.length >= ENOUGH) {
      this.next();
    }
  }

  private next(): void {
    clearTimeout(this.pause);
    this.pause = undefined;
    const wait = this.lastWrite + WRITE_MILLISECONDS - performance.now();
    if (wait <= 0 || this.waiting.length >= ENOUGH) setImmediate(() => this.flush());
    else this.pause = setTimeout(() => this.flush(), wait).unref();
  }

  private flush(): void {
    this.pause = undefined;
    const chunk = Buffer.from(this.waiting);
    this.waiting = '';
    this.lastWrite = performance.now();
    this.send(chunk);
  }

  private send(chunk: Buffer): void {
    write(this.fd, chunk, 0, chunk.length, null, (error, written) => {
      if (isBusy(error)) {
        this.waiting = chunk.toString() + this.waiting;
        setTimeout(() => this.flush(), this.retry).unref();
        this.retry = Math.min(2 * this.retry, MAX_RETRY_MILLISECONDS);
        return;
      }
      this.retry = RETRY_MILLISECONDS;
      if (error === null && written < chunk.length) {
        this.send(chunk.subarray(written));
      } else {
        if (error === null) this.tellOfLoss();
        else this.lost += linesIn(chunk.toString());
        if (this.waiting === '') this.isBusy = false;
        else this.next();
      }
    });
  }

  private tellOfLoss(): void {
    if (this.lost === this.toldOf || this.waiting.length > MAX_WAITING / 2) return;
    this.toldOf = this.lost;
    this.tell(this.lost);
  }

  /** A reader that is slow gets half a second for the rest; the loop has ended, so this waits in place. */
  private flushAtExit(): void {
    let chunk = Buffer.from(this.waiting);
    for (let attempts = EXIT_ATTEMPTS; attempts > 0 && chunk.length > 0;) {
      try {
        chunk = chunk.subarray(writeSync(this.fd, chunk));
      } catch (error) {
        if (!isBusy(error)) return;
        attempts -= 1;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, EXIT_RETRY_MILLISECONDS);
      }
    }
  }
}

function linesIn(text: string): number {
  return text.split('\n').length - 1;
}

function isBusy(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'EAGAIN';
}

/** The standard output as {@link LogOutput}. To be called once. */
export function openStandardOutput(): LogOutput {
  // Touching the process's own streams makes pipes non-blocking; a closed one must not end us by a `console.log` either.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  return new LogOutput(STANDARD_OUTPUT);
}
