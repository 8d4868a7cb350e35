import { Injectable } from '@nestjs/common';
import { Problem } from '../http/problem.js';

/**
 * Lets what locks a user's row go one after the other on this node. Twenty sign-ins of one user at once would each hold a connection
 * of the pool while they wait for that row, and everybody else would be told 503.
 */
@Injectable()
export class UserTurns {
  /** By user: the one that came last. */
  private readonly last = new Map<string, Promise<unknown>>();

  /**
   * Runs `work` when all that came before it for the same user has ended.
   * @throws Problem `unavailable` at once when the one before it ended so: an outage is not waited for again and again
   */
  async take<T>(userId: string, work: () => Promise<T>): Promise<T> {
    const before = this.last.get(userId);
    const mine = before
      ? before.then(work, (error: unknown) => {
          if (error instanceof Problem && error.code === 'unavailable') throw error;
          return work();
        })
      : work();
    this.last.set(userId, mine);
    const ended = (): void => {
      if (this.last.get(userId) === mine) this.last.delete(userId);
    };
    mine.then(ended, ended);
    return mine;
  }
}
