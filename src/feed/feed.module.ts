import { Global, Module } from '@nestjs/common';
import { SessionFeed } from './session-feed.js';

/** For all who change what a remembered principal rests on, and for whoever remembers it. */
@Global()
@Module({ providers: [SessionFeed], exports: [SessionFeed] })
export class FeedModule {}
