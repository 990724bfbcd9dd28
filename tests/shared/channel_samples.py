"""Channels and vouchers with everything that follows from them pinned: roots, ids, digests, signatures, packed records.

The values were made with eth-account and the compiled contract; tests/contracts/test_shared.py makes them again on a
fresh EVM, where a contract deployed first stands at this address. So this file is a known answer for the shared code on
every interpreter, also those that have neither.
"""

from __future__ import annotations

from dataclasses import dataclass

CHAIN_ID = 1
CONTRACT = bytes.fromhex("89669a628dad196491775250b4595929d84cd185")
KEY = b"\x05" * 32
SIGNER = bytes.fromhex("d09ad14080d4b257a819a4f579b8485be88f086c")


@dataclass(frozen=True)
class Sample:
    """A channel of `SIGNER`, a voucher on it, and what both must give."""

    payer: bytes
    token: bytes
    delay: int
    salt: bytes
    payee: bytes
    closer: bytes
    leaf_salt: bytes
    proof: tuple[bytes, ...]
    deposit: int
    total: int
    root: bytes
    channel_id: bytes
    digest: bytes
    signature: bytes
    packed: tuple[int, ...] | None


SAMPLES = {
    "one payee": Sample(
        payer=bytes.fromhex("b3ac8f61c6dbf50c3b3990d231d685afca416de7"),
        token=bytes.fromhex("0000000000000000000000000000000000000000"),
        delay=86400,
        salt=bytes.fromhex("da01fa25845dee93b22b498d13ee1240ea35e08ee054288fa7ee8513c1dff77d"),
        payee=bytes.fromhex("76c018245a1d617a0477878a50cd0b9decf8e9ce"),
        closer=bytes.fromhex("9ceeb01c409715aef6c4a2814ec45865003ee507"),
        leaf_salt=bytes.fromhex("0000000000000000000000000000000000000000000000000000000000000000"),
        proof=(),
        deposit=1000,
        total=300,
        root=bytes.fromhex("f6abd87ce79d0b658842fcf4f63d13a8b7a31ace2c0ab1020977f9ca1622aa66"),
        channel_id=bytes.fromhex("d7cfb2312c5b1da0b66c8c8e2f9a8ac4df0b203988076abd298457a14a58f186"),
        digest=bytes.fromhex("f9ff1fecad83487e22e04798f0c88b8b3982be0026d7e04da0955150b3139416"),
        signature=bytes.fromhex(
            "06b8bdd4cbe7b8e5f24a9f56126923fe0c8132c427c52078aff361840a2ad1a2"
            "1f51e5e2de29ece1a959a2e397261dfbc59389ef163c64b31d94f7f29cf386a21c"
        ),
        packed=(
            0xDA01FA25845DEE93B22B498D13EE1240EA35E08EE054288FA7EE8513C1DFF77D,
            0xB3AC8F61C6DBF50C3B3990D231D685AFCA416DE7000151800000000000000000,
            0xD09AD14080D4B257A819A4F579B8485BE88F086C00000000000000000000012C,
            0x6B8BDD4CBE7B8E5F24A9F56126923FE0C8132C427C52078AFF361840A2AD1A2,
            0x9F51E5E2DE29ECE1A959A2E397261DFBC59389EF163C64B31D94F7F29CF386A2,
        ),
    ),
    "a total over 96 bits": Sample(
        payer=bytes.fromhex("f1b8d0ebd3ec84e5d07bc098a19cdee7d7046449"),
        token=bytes.fromhex("0000000000000000000000000000000000000000"),
        delay=900,
        salt=bytes.fromhex("ee314bd6406b23b9e0ed458509803ddaebe10e2dd7c23e3b14486b0eeac790f2"),
        payee=bytes.fromhex("8f8fe9079c2d9ebec5d814b65cae083bf2becc0a"),
        closer=bytes.fromhex("659cfdc0086da9bc5bdca8eb9dc3cc5ce86ca0ef"),
        leaf_salt=bytes.fromhex("0000000000000000000000000000000000000000000000000000000000000000"),
        proof=(),
        deposit=5192296858534827628530496329220095,
        total=1267650600228229401496703205383,
        root=bytes.fromhex("e7c88a6198aba0ce86d5ea0d4cb513bb2b0514c1dead8544aa59b531f07ee457"),
        channel_id=bytes.fromhex("aa74ccfc3e53984540d09d2fc297550f9da59dcc7fe754059dff0b5fa54fb04e"),
        digest=bytes.fromhex("a0b1a3109cd622d1933767c5c2efc991768901e51dd159c2475d87fa25bf2f60"),
        signature=bytes.fromhex(
            "5a97aefbb1a69aaa08bbbe3f846ec86fbcfa0a49fe4725d0e4850c91a2c50a6f"
            "2dc45feffcc85924ede51b83a4d3eba3bfcde86bc2d654bce8c774b90796b2351b"
        ),
        packed=(
            0xEE314BD6406B23B9E0ED458509803DDAEBE10E2DD7C23E3B14486B0EEAC790F2,
            0xF1B8D0EBD3EC84E5D07BC098A19CDEE7D7046449000003840000000000000010,
            0xD09AD14080D4B257A819A4F579B8485BE88F086C000000000000000000000007,
            0x5A97AEFBB1A69AAA08BBBE3F846EC86FBCFA0A49FE4725D0E4850C91A2C50A6F,
            0x2DC45FEFFCC85924EDE51B83A4D3EBA3BFCDE86BC2D654BCE8C774B90796B235,
        ),
    ),
    "a token, above the deposit": Sample(
        payer=bytes.fromhex("8b2cb766d05b5edb282d8806e27f079dd864f72f"),
        token=bytes.fromhex("8cf0fb3b4823e6859395bf8408ae307dc6371d09"),
        delay=2592000,
        salt=bytes.fromhex("d441a44beb827fe469d2ddba8cea76d60cd0cb88713145d1cf70e51ee6e17afe"),
        payee=bytes.fromhex("dcc505fad452fdad70cabb95f0c53e36d45697e4"),
        closer=bytes.fromhex("594c660552acfc1b6a05250a9eb2e160a07d751a"),
        leaf_salt=bytes.fromhex("0000000000000000000000000000000000000000000000000000000000000000"),
        proof=(),
        deposit=1000000,
        total=5192296858534827628530496329220095,
        root=bytes.fromhex("fc7c1a8d2d5d91de125b2ecaa16dd6490fd9a009dbd72ff6138457a68be08537"),
        channel_id=bytes.fromhex("82b3a4e9029badb73349ae1f6b6178643ba6653c86416ba3d1b9a70763055e0b"),
        digest=bytes.fromhex("3ca4962f130a8e61e50bf52417deb979ed364608586db31c8e3b0ad95c2a0045"),
        signature=bytes.fromhex(
            "8e1ef4257ebb7038ffed8573029d064788b820c1ea57dc370d72ee51d166ff2c"
            "26ffdb27c8760560746f9bc3cb4c7adf0185388c417827dc4ea39364a4adfd201b"
        ),
        packed=(
            0xD441A44BEB827FE469D2DDBA8CEA76D60CD0CB88713145D1CF70E51EE6E17AFE,
            0x8B2CB766D05B5EDB282D8806E27F079DD864F72F00278D00000000000000FFFF,
            0xD09AD14080D4B257A819A4F579B8485BE88F086CFFFFFFFFFFFFFFFFFFFFFFFF,
            0x8E1EF4257EBB7038FFED8573029D064788B820C1EA57DC370D72EE51D166FF2C,
            0x26FFDB27C8760560746F9BC3CB4C7ADF0185388C417827DC4EA39364A4ADFD20,
        ),
    ),
    "two levels": Sample(
        payer=bytes.fromhex("5fc448f358f44ff315da6f26d1d35a8af200f658"),
        token=bytes.fromhex("0000000000000000000000000000000000000000"),
        delay=3600,
        salt=bytes.fromhex("8d4f7c3d9abb4efbd4ba6a68071607c215d624334435a72648d4060cc7712032"),
        payee=bytes.fromhex("6e5751ea16f77752399f0cdb0c34b18f9787b326"),
        closer=bytes.fromhex("8956c2d5f9c0b726272cf6d8a687543ef86db73e"),
        leaf_salt=bytes.fromhex("32ed7c0005f29cfc9b4b037a261357f8308009b8d880a312392dcc8d52ad8f9f"),
        proof=(
            bytes.fromhex("b1af74d3dc2d3f892b9b3595ca553649d737e48f8bc850b4450160078d8cea9a"),
            bytes.fromhex("fb466a35722912e552d302b4ddf5714740b1d836750b47797034a0d58a8852c7"),
        ),
        deposit=4000,
        total=999,
        root=bytes.fromhex("5514efe90b23e8f13b30e76db8d90f27cacb1bf39a1d51fa45eee83a3e9b177e"),
        channel_id=bytes.fromhex("7e8bbbf423fad7d2dbe6c460c338c44e8abdc5faf807063a56023a9cfe868967"),
        digest=bytes.fromhex("f693c96706a1ecc8e8970418115a64bc6a3be5385922c70020810887dc683772"),
        signature=bytes.fromhex(
            "290f6d9be29d924015adcd980c732cf846ffed51913537ce9b87d862fa1b258f"
            "0c7c27d25e1238504b444549cd7ec5ad90aab6c916f1b3703567bb78d0deca001c"
        ),
        packed=None,
    ),
    "eight levels": Sample(
        payer=bytes.fromhex("9758391bcf2e8b0819343573190a7a6c75925f4b"),
        token=bytes.fromhex("0000000000000000000000000000000000000000"),
        delay=86400,
        salt=bytes.fromhex("6e84e38c2c376e9565ffa4904fca337c6da97911f97e9e7798c4b0f3f8f30e68"),
        payee=bytes.fromhex("fe64f258a581dea8bded1953381add6776233d64"),
        closer=bytes.fromhex("4a56ce62c17e347ce2a27b60c20d988fbb87ed2c"),
        leaf_salt=bytes.fromhex("445c04550a36dacb0c985b1cad5a747b58e67c09a2a504765f143c4fa3f1dadc"),
        proof=(
            bytes.fromhex("5f2cd448ece9316acc23da52ed806a0782d7ef94914ce75c192a77daa65cb95d"),
            bytes.fromhex("751ca55d63c6c0e229e7a2065dd7b5a2b85e3f0834ccbd152177fb88ee547b00"),
            bytes.fromhex("dc4954b7bd0f410b80f3676f2d14ff28603e98f139fd03930c2b80cb66446467"),
            bytes.fromhex("83651be231232c3d3a8808eaed58e72eb3f306286d39c3daf8496767a9db05fb"),
            bytes.fromhex("bb11f76f482618e68287a49cd6f50e6693f9e21740a39e26845e8c6416cffc01"),
            bytes.fromhex("2aae1d08e4531376c8abf524dbef0362331cf7193a42ccaa3edabeb1435ce1f7"),
            bytes.fromhex("95d696c4cc71f94267c528299c214fbdc41c67d144befa19392be5dd2caf2806"),
            bytes.fromhex("b02f657af08c06fc5d23a87a60acb797aafa1396e75965b1c6f9a18ffc17d413"),
        ),
        deposit=1048576,
        total=115792089237316195423570985008687907853269984665640564039457584007913129639935,
        root=bytes.fromhex("e5d9aacc072e653f403d8f719a184df1a40c7d875e6f1fbff8101e2c22f9f4bb"),
        channel_id=bytes.fromhex("3ffad87cd00e316a91766b6b534ba6096871c05100a456b42128566169ac4d83"),
        digest=bytes.fromhex("e7c9c90883b1964bff2ba87018e5aa029b5196dfc6c99c5d1e52aaeda60058c1"),
        signature=bytes.fromhex(
            "bed8c245b69b170116c985e8e1bb35e39563449222782740e2b9e7c5a38d5596"
            "0a2ac6b38ad15f82ef230461a6afd9b1c042333808cc93219a8732960937319e1c"
        ),
        packed=None,
    ),
}
