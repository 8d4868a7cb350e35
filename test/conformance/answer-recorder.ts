interface RecordedAnswer {
  readonly request: string;
  readonly status: number;
  readonly setCookies: readonly string[];
}

/** Notes what all clients of this test file are answered. */
export class AnswerRecorder {
  readonly all: RecordedAnswer[] = [];
  private readonly original = globalThis.fetch;

  start(): void {
    globalThis.fetch = async (input, init) => {
      const response = await this.original(input, init);
      this.all.push({
        request: `${init?.method ?? 'GET'} ${new URL(response.url).pathname}`,
        status: response.status,
        setCookies: response.headers.getSetCookie(),
      });
      return response;
    };
  }

  stop(): void {
    globalThis.fetch = this.original;
  }

  /** The chosen answers that set a cookie. (A logout that comes too late still expires what it was sent: contract 5, rule 5.) */
  settingCookies(chosen: (answer: RecordedAnswer) => boolean): RecordedAnswer[] {
    return this.all.filter((answer) => {
      const lateLogout = answer.request === 'POST /auth/logout' && answer.status === 401;
      const setting = answer.setCookies.filter((cookie) => !(lateLogout && cookie.includes('Max-Age=0')));
      return chosen(answer) && setting.length > 0;
    });
  }
}
