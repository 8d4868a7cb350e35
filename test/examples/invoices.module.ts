import { Body, Controller, Get, Module, Post } from '@nestjs/common';
import { z } from 'zod';
import { Answers } from '../../src/http/answers.js';
import { ApiOperation, ApiTags } from '../../src/openapi/decorators.js';
import type { UserView } from '../../src/principal/authentication.js';
import { CurrentPrincipal, CurrentUser, Public, Roles } from '../../src/principal/decorators.js';
import type { Principal } from '../../src/principal/principal.js';

const InvoiceIn = z.strictObject({ cents: z.int().positive() }).meta({ id: 'InvoiceIn' });
const InvoiceOut = z.object({ cents: z.int(), createdBy: z.uuid() }).meta({ id: 'Invoice' });
const InvoicesOut = z.object({ owner: z.string(), cents: z.array(z.int()) }).meta({ id: 'Invoices' });
const CurrencyOut = z.object({ currency: z.string() }).meta({ id: 'Currency' });

@ApiTags('invoices')
@Controller('invoices')
export class InvoicesController {
  /** Nothing to be done: a route is closed unless it says otherwise. */
  @Get()
  @ApiOperation({ summary: 'My invoices' })
  @Answers({ 200: InvoicesOut })
  mine(@CurrentUser() user: UserView) {
    return { owner: user.email, cents: [1250] };
  }

  /** Signed in is not enough here: others get 403. */
  @Post()
  @Roles('accountant', 'admin')
  @ApiOperation({ summary: 'Write an invoice' })
  @Answers({ 201: InvoiceOut })
  write(
    @Body({ schema: InvoiceIn }) { cents }: z.infer<typeof InvoiceIn>,
    @CurrentPrincipal() { userId }: Principal,
  ) {
    return { cents, createdBy: userId };
  }

  /** Open to everybody: nobody is looked up, and @CurrentUser() would throw. */
  @Get('currency')
  @Public()
  @ApiOperation({ summary: 'What invoices are written in' })
  @Answers({ 200: CurrencyOut })
  currency() {
    return { currency: 'EUR' };
  }
}

@Module({ controllers: [InvoicesController] })
export class InvoicesModule {}
