import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errorCode } from '../../../src/database/error-code.js';

const CHUNK = Buffer.alloc(65_536);

/** A file system of its own that is soon full: a tmpfs, which only root may mount. */
export class SmallDisk {
  private constructor(readonly path: string) {}

  /** Null where this user may not mount. */
  static mount(mebibytes: number): SmallDisk | null {
    const path = mkdtempSync(join(tmpdir(), 'lk-disk-'));
    const options = `size=${mebibytes}m,mode=755`;
    const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path]);
    if (status === 0) return new SmallDisk(path);
    rmSync(path, { recursive: true });
    return null;
  }

  /** Takes all that is left of it. */
  async fill(): Promise<void> {
    const file = await open(this.ballast, 'a');
    try {
      for (;;) await file.write(CHUNK);
    } catch (error) {
      if (errorCode(error) !== 'ENOSPC') throw error;
    } finally {
      await file.close();
    }
  }

  /** Gives it back. */
  free(): void {
    writeFileSync(this.ballast, '');
  }

  unmount(): void {
    spawnSync('umount', [this.path]);
    rmSync(this.path, { recursive: true, force: true });
  }

  private get ballast(): string {
    return join(this.path, 'ballast');
  }
}
