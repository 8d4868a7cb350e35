import { Module } from '@nestjs/common';
import { Cookies } from './cookies.js';
import { CsrfTokens } from './csrf-tokens.js';

@Module({ providers: [Cookies, CsrfTokens], exports: [Cookies, CsrfTokens] })
export class SecurityModule {}
