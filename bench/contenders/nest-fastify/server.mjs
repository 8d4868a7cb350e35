// The limit of the framework: Nest on Fastify with one route and nothing else (docs.nestjs.com/techniques/performance).
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { decorate } from '../shared/decorate.mjs';
import { announce, settings } from '../shared/serve.mjs';

class HelloController {
  hello() {
    return { hello: 'world' };
  }
}
decorate(HelloController, { decorators: [Controller()], members: { hello: [Get()] } });

class AppModule {}
decorate(AppModule, { decorators: [Module({ controllers: [HelloController] })] });

const app = await NestFactory.create(AppModule, new FastifyAdapter(), { logger: ['error', 'warn'] });
await app.listen(settings.port, '127.0.0.1');
announce(app.getHttpServer());
